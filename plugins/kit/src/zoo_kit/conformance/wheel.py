"""Check a wheel that is not installed, in a virtual environment of its own."""

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
    """Install a wheel into an environment of its own, and run ``zoo check`` there.

    The environment borrows torch, zoo-core and this kit from the running one, so that nothing is
    downloaded. The wheel hides an installed version of the plugin, and no other plugin takes part.
    The wheel must name what it imports in its requirements all the same (check ``requirements``).
    The exemptions are those of the project in whose folder the wheel lies.

    Args:
        wheel: its path.
        options: further options of ``zoo check``.

    Returns:
        The exit code of ``zoo check``.

    Raises:
        PluginError: if the file is no wheel, or cannot be installed.
    """
    path = Path(wheel).resolve()
    distribution = distribution_of(path)
    with tempfile.TemporaryDirectory(prefix="zoo-check-") as folder:
        environment = Environment(Path(folder) / "venv")
        environment.install(str(path))
        exempt = exemptions_near([path], distribution)
        words = [word for name, reason in exempt.items() for word in ("--exempt", f"{name}={reason}")]
        command = [str(environment.python), "-m", "zoo_core.cli", "check", distribution, *words, *options]
        chosen = {"ZOO_PLUGINS": f"{distribution},zoo-kit", "ZOO_DISABLE_PLUGINS": ""}
        variables = environment.variables(**chosen, PYTHONDONTWRITEBYTECODE="1")
        return subprocess.run(command, env=variables, cwd=folder, check=False).returncode  # noqa: S603 - ourselves


def distribution_of(wheel: Path) -> str:
    """Return the name of the distribution in a wheel.

    Raises:
        PluginError: if the file is missing, or is no wheel.
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
