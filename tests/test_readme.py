"""The Python of every README runs, and gives what its comments say."""

from __future__ import annotations

import re
import subprocess
import sys
from ast import literal_eval
from pathlib import Path
from typing import Any

import peers
import pytest
from PIL import Image, ImageChops, ImageStat

ROOT = Path(__file__).parents[1]
READMES = [ROOT / "README.md", ROOT / "core/README.md", *sorted(ROOT.glob("plugins/*/README.md"))]


def blocks(readme: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("readme", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_its_python_runs(readme: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    peers.prepare()  # a bridge imports its library
    monkeypatch.chdir(tmp_path)
    Path("docs").symlink_to(ROOT / "docs")  # the first reads a picture of its own
    Image.new("L", (40, 40), "white").save("digit.png")  # the file that an example reads
    assert blocks(readme)
    for block in blocks(readme):
        exec(block, {"__name__": "readme"})


@pytest.mark.parametrize("block", blocks(READMES[0]), ids=range(len(blocks(READMES[0]))))
def test_the_comments_of_the_first_are_true(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    peers.prepare()
    monkeypatch.chdir(ROOT)
    names: dict[str, Any] = {}
    exec(block, names)
    said = re.findall(r"^(\S.*?)  # ([\[('].*)$", block, re.MULTILINE)
    assert said
    for expression, value in said:
        assert eval(expression, names) == literal_eval(value)


@pytest.mark.heavy
def test_its_picture_is_what_its_program_draws(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    program = [sys.executable, ROOT / "examples/readme_pictures.py", "--output", tmp_path]
    subprocess.run(program, check=True)
    for shown in sorted((ROOT / "docs/pictures").glob("*.png")):
        with Image.open(shown) as before, Image.open(tmp_path / shown.name) as now:
            assert now.size == before.size
            differs = ImageChops.difference(now.convert("RGB"), before.convert("RGB"))
        assert ImageStat.Stat(differs).mean < [
            1,
            1,
            1,
        ]  # kernels round differently; another network draws another picture
