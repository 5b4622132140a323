"""An environment of its own, made by a process that goes on."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import sys
from pathlib import Path
from zoo_core.errors import PluginError
from zoo_kit.conformance.environment import Environment
try:
    Environment(Path(sys.argv[1])).install("no-such-distribution")
except PluginError as error:
    assert "No matching distribution" in str(error), error
import setuptools
"""


def test_setuptools_can_be_imported_after_an_installation(tmp_path: Path) -> None:
    """As `torch.compile` does, here where a deprecated distutils is an error."""
    command = [sys.executable, "-W", "error::DeprecationWarning", "-c", PROGRAM, str(tmp_path / "venv")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
