"""Check a wheel that is not installed, in a virtual environment that exists for the check alone."""

from __future__ import annotations

import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.errors import PluginError
from zoo_core.names import normalize_distribution

from zoo_kit.conformance.environment import Environment
from zoo_kit.conformance.exemptions import exemptions_near

if TYPE_CHECKING:
    from collections.abc import Sequence


def check_wheel(wheel: str, options: Sequence[str] = ()) -> int:
    """Install the wheel into an environment of its own, run ``zoo check`` there, and return its exit code.

    The environment borrows this one's packages (torch, zoo-core) by a ``.pth`` file, so that nothing is downloaded; the
    wheel's own come first, whatever of it is installed here, and no other plugin takes part. What it imports must be
    named in its requirements all the same, see the check ``requirements``; exemptions are those of the project that the
    wheel lies in.

    Raises:
        PluginError: when it is no wheel, or cannot be installed.
    """
    path = Path(wheel).resolve()
    distribution = distribution_of(path)
    with tempfile.TemporaryDirectory(prefix="zoo-check-") as folder:
        environment = Environment(Path(folder) / "venv")
        environment.install(str(path))
        exempt = exemptions_near([path], distribution)
        words = [word for name, reason in exempt.items() for word in ("--exempt", f"{name}={reason}")]
        command = [str(environment.python), "-m", "zoo_core.cli", "check", distribution, *words, *options]
        variables = environment.variables(ZOO_PLUGINS=f"{distribution},zoo-kit", PYTHONDONTWRITEBYTECODE="1")
        return subprocess.run(command, env=variables, cwd=folder, check=False).returncode  # noqa: S603 - ourselves


def distribution_of(wheel: Path) -> str:
    """The name of the distribution that a wheel holds.

    Raises:
        PluginError: when the file is not there, or is no wheel.
    """
    if not wheel.is_file():
        raise PluginError(f"there is no wheel {wheel}")
    if not zipfile.is_zipfile(wheel):
        raise PluginError(f"{wheel} is no wheel: it is not a zip file")
    with zipfile.ZipFile(wheel) as archive:
        infos = {name.partition("/")[0] for name in archive.namelist() if ".dist-info/" in name}
    if len(infos) != 1:
        raise PluginError(f"{wheel} is no wheel: it has {len(infos)} .dist-info folders")
    return normalize_distribution(infos.pop().partition("-")[0])
