"""Programs that import timm, in processes of their own: Zoo in its place, or not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Program = Callable[..., str]
PREPARE = "import sys, torch; sys.path.insert(0, {tests!r}); import peers; peers.prepare()\n"


@pytest.fixture(scope="session")
def program() -> Program:
    """Run source in a process; returns what it prints. ``timm=False`` hides an installed timm."""

    def run(source: str, *, timm: bool = True) -> str:
        tests = str(Path(__file__).parents[3] / "tests")
        blocked = "import sys\nclass No:\n    def find_spec(self, name, path=None, target=None):\n"
        blocked += "        if name == 'timm': raise ModuleNotFoundError(f'No module named {name!r}', name='timm')\n"
        before = PREPARE.format(tests=tests) if timm else f"{blocked}sys.meta_path.insert(0, No())\n"
        done = subprocess.run(
            [sys.executable, "-c", before + source], capture_output=True, text=True, env={**os.environ}, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
