"""The plugin under test: one in a namespace package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from zoo_core.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

METADATA = """\
Metadata-Version: 2.4
Name: zoo-spaced
Version: 0.1.0
Summary: Networks in a namespace.
License-Expression: MIT
Requires-Python: >=3.11
Requires-Dist: zoo-core>=0.1
Requires-Dist: torch>=2.4
"""


def test_a_package_in_a_namespace_conforms(tmp_path: Path) -> None:
    """One without an ``__init__.py`` at the top, which has no ``py.typed`` of its own either."""
    assert main(["new", "spaced", "--directory", str(tmp_path)]) == 0
    site = tmp_path / "site"
    package = site / "spaced" / "nets"
    shutil.copytree(tmp_path / "zoo-spaced/src/zoo_spaced", package)
    for file in package.glob("*"):
        file.write_text(file.read_text().replace("zoo_spaced", "spaced.nets"))
    info = site / "zoo_spaced-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text("[zoo_core.models]\nspaced = spaced.nets:models.json\n")
    names = ("installation", "packaging", "requirements", "imports", "configurations")
    command = ["-m", "zoo_core.cli", "check", "zoo-spaced", *(word for name in names for word in ("--only", name))]
    variables = {**os.environ, "PYTHONPATH": str(site), "ZOO_PLUGINS": "zoo-spaced,zoo-kit"}
    done = subprocess.run([sys.executable, *command], env=variables, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "zoo-spaced: 5 passed, 0 failed, 0 skipped", done.stdout
