"""The Python of the documentation runs."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest
from zoo_inference import search

GUIDE = Path(__file__).parents[3] / "docs/inference.md"


def test_the_guides_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(block, {"__name__": "guide"})
    assert (tmp_path / "fast.safetensors").exists()


def test_the_docstrings_example_runs() -> None:
    assert doctest.testmod(search).attempted == 5
    assert doctest.testmod(search).failed == 0


def test_the_guide_names_every_engine() -> None:
    (table,) = re.findall(r"## The engines\n(.*?)\n`backends", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    named = {
        name
        for line in table.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    assert named == set(search.ENGINES)
