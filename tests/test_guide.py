"""The guide for authors: its commands and programs run in order, and its quotations are true."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest
from wheels import ROOT
from zoo_core.registry import current_index
from zoo_kit.conformance.environment import Environment

if TYPE_CHECKING:
    from pathlib import Path

GUIDE = ROOT / "docs" / "writing-a-plugin.md"
FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SCRIPTS = {"zoo": "zoo_core.cli.main:main", "pip": "pip._internal.cli.main:main", "pytest": "pytest:console_main"}


class Block(NamedTuple):
    """A fenced block: ``sh`` and ``python`` run; one with a file is written there, or quotes it."""

    language: str
    file: str
    text: str


BLOCKS = [Block(*groups) for groups in FENCE.findall(GUIDE.read_text(encoding="utf-8"))]
QUOTED = [block for block in BLOCKS if (ROOT / block.file).is_file()]
RUN = [block for block in BLOCKS if block not in QUOTED]


def test_what_the_guide_quotes_stands_in_the_files() -> None:
    assert len(QUOTED) >= 4
    for block in QUOTED:
        assert block.text in (ROOT / block.file).read_text(encoding="utf-8"), block.file


@pytest.mark.heavy
def test_every_command_of_the_guide_works(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "venv", SCRIPTS)
    home = tmp_path / "home"
    home.mkdir()
    others = {entry.distribution for entry in current_index().scan.entry_points} - {"zoo-kit"}
    # hatchling is borrowed, as torch is, so that pip asks no index. (That 0 turns isolation off is
    # pip's own logic.)
    variables = environment.variables(
        ZOO_DISABLE_PLUGINS=",".join(others), PIP_NO_INDEX="1", PIP_NO_BUILD_ISOLATION="0", PYTHONDONTWRITEBYTECODE="1"
    )
    kinds = set()
    for block in RUN:
        kinds.add(block.language)
        if block.file:
            (home / block.file).write_text(block.text, encoding="utf-8")
            continue
        assert block.language in ("sh", "python"), f"the guide has a block that is neither run nor quoted: {block}"
        shell = (
            ["bash", "-euo", "pipefail", "-c"]
            if block.language == "sh"
            else [str(environment.python), "-W", "error", "-c"]
        )
        command = [*shell, block.text]
        done = subprocess.run(command, cwd=home, env=variables, capture_output=True, text=True)
        if done.returncode:
            pytest.fail(f"{block.text}\n{done.stdout}\n{done.stderr}", pytrace=False)
    assert kinds == {"sh", "python"}
