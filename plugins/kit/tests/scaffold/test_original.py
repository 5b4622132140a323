"""The original that a plugin wraps: a file, or a class of an installed package."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest
from zoo_core.cli.main import main

FILE = Path(__file__).with_name("strangers.py")


def write(source: str, folder: Path) -> int:
    return main(["new", "stranger", "--from", source, "--directory", str(folder)])


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed distribution ``old-nets``, imported as ``oldnets``."""
    site = tmp_path / "site"
    info = site / "old_nets-1.2.3.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.4\nName: old-nets\nVersion: 1.2.3\n")
    (info / "top_level.txt").write_text("oldnets\n")
    (site / "oldnets.py").write_text(FILE.read_text() + "\n\ndef small():\n    return InPlaceStages(width=4)\n")
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, "oldnets", raising=False)
    return site


@pytest.mark.heavy
def test_an_installed_class_is_imported_and_required(library: Path, tmp_path: Path) -> None:
    assert write("oldnets:small", tmp_path) == 0
    plugin = tmp_path / "zoo-stranger"
    dependencies = tomllib.loads((plugin / "pyproject.toml").read_text())["project"]["dependencies"]
    assert "old-nets>=1.2" in dependencies
    assert not (plugin / "src/zoo_stranger/original.py").exists()
    assert "from oldnets import small" in (plugin / "src/zoo_stranger/model.py").read_text()


@pytest.mark.heavy
def test_what_a_file_imports_is_required(library: Path, tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text("from oldnets import InPlaceStages\n\n\nclass Net(InPlaceStages):\n    pass\n")
    assert write(f"{file}:Net", tmp_path) == 0
    dependencies = tomllib.loads((tmp_path / "zoo-stranger/pyproject.toml").read_text())["project"]["dependencies"]
    assert "old-nets>=1.2" in dependencies


def test_a_file_that_needs_its_neighbours_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "neighbour.py").write_text("WIDTH = 4\n")
    (tmp_path / "net.py").write_text("import neighbour\nfrom torch import nn\nclass Net(nn.Module): pass\n")
    assert main(["new", "acme", "--from", f"{tmp_path / 'net.py'}:Net", "--directory", str(tmp_path)]) == 2
    assert "imports neighbour, which lies beside it" in capsys.readouterr().err
