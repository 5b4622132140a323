"""A run of the conformance kit over a new plugin, before it is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.errors import PluginError

if TYPE_CHECKING:
    from zoo_kit.scaffold.names import Names

VERSION = "0.1.0"


def failures(folder: Path, names: Names) -> list[dict[str, Any]]:
    """Return the checks that the plugin in a folder fails, as `zoo check --json` prints them.

    Raises:
        PluginError: if the kit cannot run.
    """
    with tempfile.TemporaryDirectory(prefix="zoo-new-") as metadata:
        _write_metadata(Path(metadata), folder, names)
        path = os.pathsep.join([metadata, str((folder / "src").resolve()), *(entry for entry in sys.path if entry)])
        environment = {
            **os.environ,
            "PYTHONPATH": path,
            "ZOO_PLUGINS": f"{names.distribution},zoo-kit",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        environment.pop("ZOO_DISABLE_PLUGINS", None)
        command = [sys.executable, "-W", "ignore", "-m", "zoo_core.cli", "check", names.distribution, "--json"]
        done = subprocess.run(command, env=environment, cwd=metadata, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
    try:
        checks = json.loads(done.stdout)["checks"]
    except ValueError as error:
        raise PluginError(f"the kit cannot run: {(done.stderr.strip().splitlines() or ['no message'])[-1]}") from error
    return [check for check in checks if check["outcome"] == "failed"]


def _write_metadata(place: Path, folder: Path, names: Names) -> None:
    """Write the metadata that an installer would write."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = place / f"{names.package}-{VERSION}.dist-info"
    info.mkdir()
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {project['name']}",
        f"Version: {VERSION}",
        f"Summary: {project['description']}",
        f"License-Expression: {project['license']}",
        f"Requires-Python: {project['requires-python']}",
        *(f"Requires-Dist: {requirement}" for requirement in project["dependencies"]),
    ]
    (info / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")
    groups = (
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in project["entry-points"].items()
    )
    (info / "entry_points.txt").write_text("\n".join(groups), encoding="utf-8")
