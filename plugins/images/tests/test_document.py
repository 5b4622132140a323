"""The page on extraction: its commands and programs run in order, and its tables are whole."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from zoo_images.extraction.decoders import DECODERS
from zoo_images.extraction.shards import FORMATS

PAGE = Path(__file__).parents[3] / "docs" / "extracting-features.md"
if not PAGE.exists():
    pytest.skip("the page is in the repository alone", allow_module_level=True)
TEXT = PAGE.read_text(encoding="utf-8")


def test_its_commands_and_programs_run(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    for path in photos.glob("*.jpg"):
        if path.stem != "letter":
            Path("photos", path.name).write_bytes(path.read_bytes())
    names: dict[str, object] = {}
    blocks = re.findall(r"^```(sh|python)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 4
    for language, block in blocks:
        if language == "python":
            exec(block, names)
            continue
        for line in block.splitlines():
            if line.startswith("zoo "):
                command = [sys.executable, "-m", "zoo_core.cli", *shlex.split(line)[1:]]
                done = subprocess.run(command, capture_output=True, text=True)
                assert done.returncode == 0, done.stderr
    assert np.shape(names["vectors"]) == (len(list(Path("photos").iterdir())), 96)
    assert names["batch"].failures == {}


@pytest.mark.parametrize("name", [*DECODERS, *FORMATS])
def test_it_names_what_there_is(name: str) -> None:
    assert f"`{name}`" in TEXT
