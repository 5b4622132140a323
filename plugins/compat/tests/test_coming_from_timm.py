"""Each row of docs/coming-from-timm.md runs, timm's spelling and Zoo's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Program

PAGE = (Path(__file__).parents[3] / "docs/coming-from-timm.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(.+?)` \| `(.+?)` \|$", PAGE, re.MULTILINE)
BEFORE = """
import tempfile, torch
import zoo_core as zoo, zoo_core.layers, zoo_images
import zoo_core.compat.timm as timm
import zoo_core.compat.timm.models, zoo_core.compat.timm.layers, zoo_core.compat.timm.data
net = zoo.create_model("resnet10t", num_classes=10)
path = tempfile.mkdtemp() + "/net.pth"
torch.save(net.state_dict(), path)
"""


def test_every_row_runs_without_timm(program: Program) -> None:
    assert len(ROWS) > 15
    words = [word for row in ROWS for word in row]
    source = BEFORE + "".join(f"print(repr({word})[:20].replace(chr(10), ' '))\n" for word in words)
    assert len(program(source, timm=False).splitlines()) == len(words)


@pytest.mark.parametrize("row", [row for row in ROWS if "list_models" in row[0] or ".mean" in row[0]], ids=str)
def test_both_spellings_give_the_same(row: tuple[str, str]) -> None:
    import zoo_core
    import zoo_core.compat.timm

    names = {"zoo": zoo_core, "timm": zoo_core.compat.timm}
    one, other = (eval(word, names) for word in row)
    assert one == other
