"""The programs of docs/recipes.md run."""

from __future__ import annotations

import re

import peers
import pytest
from PIL import Image
from wheels import ROOT

RECIPES = (ROOT / "docs/recipes.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^## (.*?)\n.*?```python\n(.*?)```", RECIPES, re.DOTALL | re.MULTILINE)


def test_each_recipe_has_a_program() -> None:
    assert len(PROGRAMS) == RECIPES.count("\n## ")


@pytest.mark.parametrize("program", [code for _, code in PROGRAMS], ids=[title for title, _ in PROGRAMS])
def test_its_program_runs(
    program: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    peers.prepare()
    folder = tmp_path_factory.mktemp("recipe")
    monkeypatch.chdir(folder)
    (folder / "photos").mkdir()
    for name, grey in (("one", 40), ("two", 200)):
        Image.new("L", (48, 40), grey).save(f"photos/{name}.png")
    exec(program, {"__name__": "recipe"})
