"""The Python of every README runs, and gives what its comments say."""

from __future__ import annotations

import re
from ast import literal_eval
from pathlib import Path
from typing import Any

import peers
import pytest
import torch
from PIL import Image

ROOT = Path(__file__).parents[1]
READMES = [ROOT / "README.md", ROOT / "core/README.md", *sorted(ROOT.glob("plugins/*/README.md"))]


def blocks(readme: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("readme", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_its_python_runs(readme: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    peers.prepare()  # a bridge imports its library
    monkeypatch.chdir(tmp_path)
    Image.new("L", (40, 40), "white").save("digit.png")  # the file that an example reads
    assert blocks(readme)
    for block in blocks(readme):
        exec(block, {"__name__": "readme"})


def test_the_comments_of_the_first_are_true() -> None:
    (block,) = blocks(READMES[0])
    names: dict[str, Any] = {}
    exec(block, names)
    said = re.findall(r"^(\S.*?)  # (\[.*\])$", block, re.MULTILINE)
    assert said
    for expression, value in said:
        assert eval(expression, names) == literal_eval(value)
    net = names["net"].eval()
    assert net(torch.zeros(1, *net.default_cfg["input_size"])).shape == (1, 10)
