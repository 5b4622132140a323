"""The licence of a new plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_licence_whose_text_is_not_at_hand_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "acme", "--directory", str(tmp_path), "--license", "MPL-2.0"]) == 0
    plugin = tmp_path / "zoo-acme"
    assert f"the text of MPL-2.0 is not at hand: put it into {plugin / 'LICENSE'}" in capsys.readouterr().out
    assert "SPDX-License-Identifier: MPL-2.0" in (plugin / "LICENSE").read_text()
