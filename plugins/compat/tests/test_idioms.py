"""Each idiom of docs/timm-idioms.md gives with Zoo what it gives with timm."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from conftest import Program

PAGE = (Path(__file__).parents[3] / "docs/timm-idioms.md").read_text(encoding="utf-8")
TIMMS_OWN = " (timm's own)"
# Prints a line of JSON for each idiom: a summary of its last expression, or the error.
RUN = """
import ast, json, sys, tempfile, warnings
from pathlib import Path
import torch
from PIL import Image
warnings.simplefilter("ignore")
torch.manual_seed(0)

def summary(value):
    if isinstance(value, torch.Tensor):
        return f"tensor {{tuple(value.shape)}} {{value.dtype}}"
    if isinstance(value, torch.nn.Module):
        return f"module of {{sum(map(torch.numel, value.parameters()))}}"
    if isinstance(value, dict):
        return {{str(key): summary(each) for key, each in value.items()}}
    if isinstance(value, tuple | list):
        return [summary(each) for each in value]
    return value if isinstance(value, str | int | float | None) else type(value).__name__

folder = Path(tempfile.mkdtemp())
path = str(folder / "net.pth")
image = Image.effect_noise((301, 257), 64).convert("RGB")
for kind in "ab":
    (folder / "images" / kind).mkdir(parents=True)
    image.save(folder / "images" / kind / "1.png")
known = {{"__name__": "__main__", "torch": torch, "timm": timm}}
known |= {{"path": path, "image": image, "images": str(folder / "images")}}
torch.save(timm.create_model("resnet10t", num_classes=10).state_dict(), path)
for source in json.loads({idioms!r}):
    *before, last = ast.parse(source).body
    names = {{**known, "x": torch.randn(2, 3, 64, 64), "folder": tempfile.mkdtemp()}}
    try:
        exec(compile(ast.Module(before, []), "idiom", "exec"), names)
        if isinstance(last, ast.Expr):
            result = summary(eval(compile(ast.Expression(last.value), "idiom", "eval"), names))
        else:
            exec(compile(ast.Module([last], []), "idiom", "exec"), names)
            result = None
    except Exception as error:
        result = {{"error": f"{{type(error).__name__}}: {{error}}"[:300]}}
    print(json.dumps(result))
"""

# Under timm's own name, for the statements that import from it.
BESIDE = "import zoo_compat; zoo_compat.install()\nimport timm\n"


class Idiom(NamedTuple):
    title: str
    source: str
    timms_own: bool
    works: bool


def _idioms() -> list[Idiom]:
    found = []
    for section, block in re.findall(r"## ([^\n]+)\n\n```python\n(.*?)```", PAGE, re.DOTALL):
        for title, source in re.findall(r"^# (.+)\n((?:(?!# ).*\n)+)", block, re.MULTILINE):
            works = section != "What does not work"
            found.append(Idiom(title.removesuffix(TIMMS_OWN), source, title.endswith(TIMMS_OWN), works))
    return found


IDIOMS = _idioms()
WORKING = [each for each in IDIOMS if each.works]
OTHERS = [each for each in IDIOMS if not each.works]


def _errors(outcomes: dict[str, object]) -> dict[str, object]:
    return {title: each for title, each in outcomes.items() if isinstance(each, dict) and "error" in each}


def _outcomes(program: Program, importing: str, idioms: list[Idiom], *, timm: bool = True) -> dict[str, object]:
    source = importing + RUN.format(idioms=json.dumps([each.source for each in idioms]))
    lines = [line for line in program(source, timm=timm).splitlines() if line]
    return dict(zip((each.title for each in idioms), map(json.loads, lines[-len(idioms) :]), strict=True))


def test_the_page_has_idioms_of_all_kinds() -> None:
    assert len(WORKING) > 90
    assert len({each.title for each in IDIOMS}) == len(IDIOMS)


@pytest.mark.heavy
@pytest.mark.peers
def test_each_gives_what_it_gives_with_timm(program: Program) -> None:
    theirs = _outcomes(program, "import timm, timm.optim, timm.data, timm.loss, timm.scheduler\n", IDIOMS)
    assert not _errors(theirs)
    ours = _outcomes(program, BESIDE, IDIOMS)
    assert {each.title: ours[each.title] for each in WORKING} == {each.title: theirs[each.title] for each in WORKING}
    assert {*_errors(ours)} == {each.title for each in OTHERS}


@pytest.mark.heavy
def test_those_that_zoo_serves_need_no_timm(program: Program) -> None:
    outcomes = _outcomes(program, BESIDE, [each for each in WORKING if not each.timms_own], timm=False)
    assert not _errors(outcomes)


@pytest.mark.heavy
def test_those_of_timm_say_so_without_it(program: Program) -> None:
    outcomes = _outcomes(program, BESIDE, [each for each in IDIOMS if each.timms_own], timm=False)
    assert [title for title, error in _errors(outcomes).items() if "timm" in str(error)] == [*outcomes]
