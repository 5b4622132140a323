"""The names of a new plugin, beside those of other plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core import refresh
from zoo_core.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_what_is_installed_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site"
    info = site / "zoo_acme-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.4\nName: zoo-acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[zoo_core.models]\nacme = zoo_acme:models.json\n")
    monkeypatch.syspath_prepend(site)
    refresh()
    try:
        assert main(["new", "acme", "--directory", str(tmp_path)]) == 2
    finally:
        monkeypatch.undo()
        refresh()
    assert "zoo-acme is installed already, and the new one would replace it" in capsys.readouterr().err
    assert not (tmp_path / "zoo-acme").exists()


def test_a_name_that_others_may_have_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "acme", "--directory", str(tmp_path), "--architecture", "resnet_acme"]) == 0
    assert "resnet_acme may be a name of zoo-resnet too" in capsys.readouterr().out
