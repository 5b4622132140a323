"""docs/commands.md has every subcommand, with what it prints."""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING

import pytest
from commands import run_command
from wheels import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
VERSION = re.compile(r"\d+\.\d+\.\d+(\+\w+)?")


def test_the_page_has_every_command() -> None:
    (listed,) = re.findall(r"^commands:\n(.*?)\n\n", run_command("--help").stdout, re.MULTILINE | re.DOTALL)
    there_are = set(re.findall(r"^    (\w+)", listed, re.MULTILINE))
    assert len(there_are) > 15
    assert there_are == set(re.findall(r"^\$ zoo (\w+)", PAGE, re.MULTILINE))


def test_the_page_shows_one_mistake_alone() -> None:
    assert re.findall(r"zoo: error: (.*?):", PAGE) == ["unknown model 'resnet5O'"]


@pytest.mark.heavy
def test_the_commands_print_what_the_page_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "tools")
    now = importlib.import_module("commands_page").written(PAGE, measured=False)
    for shown, printed in zip(tokens(PAGE), tokens(now), strict=True):
        if re.fullmatch(r"\d+\.\d+%?", shown):  # kernels round by the processor
            assert float(printed.rstrip("%")) == pytest.approx(float(shown.rstrip("%")), rel=0.02)
        else:
            assert printed == shown


def tokens(page: str) -> Iterator[str]:
    """The words of a page, and for a version that it is one."""
    yield from VERSION.sub("VERSION", page).split()
