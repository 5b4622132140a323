"""Plugins that several tests look at, written once."""

from __future__ import annotations

import contextlib
import io
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from zoo_core.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable

NETS = Path(__file__).with_name("nets.py")
CASES = {
    "acme": ["--architecture", "acme_s", "--architecture", "acme_m", "--license", "MIT"],
    "digits": ["--from", f"{NETS}:Digits"],
    "a-network-with-quite-a-long-name": ["--from", f"{NETS}:Stages"],
    "everything": ["--from", f"{NETS}:Everything"],
    "swin": ["--from", f"{NETS.with_name('strangers.py')}:Swin"],
    "plain": ["--from", f"{NETS.with_name('strangers.py')}:PlainSequential"],
}


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, str]]:
    """Write a plugin of `CASES` once; its folder, and what the command said."""
    folder = tmp_path_factory.mktemp("written")

    @cache
    def written(name: str) -> tuple[Path, str]:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            assert main(["new", name, "--directory", str(folder), *CASES[name]]) == 0
        return folder / f"zoo-{name}", said.getvalue()

    return written
