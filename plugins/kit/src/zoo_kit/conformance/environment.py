"""Virtual environments that borrow the packages of the running one, such as torch."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import sysconfig
import venv
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BORROWED = "zoo_borrowed.pth"
"""The file that puts the borrowed packages on the new environment's path, after its own."""
_SCRIPT = """\
#!{python}
import sys
from {module} import {function}
sys.exit({function}())
"""


class Environment:
    """A virtual environment with its own packages first, and borrowed ones after them.

    A package that is installed into it hides a borrowed one: a wheel of a plugin comes before an
    editable install of the plugin.
    """

    def __init__(
        self, folder: Path, scripts: Mapping[str, str] | None = None, borrowed: Sequence[str] | None = None
    ) -> None:
        """Create the environment.

        Args:
            folder: a folder that does not exist yet.
            scripts: commands to make, by name, such as ``{"zoo": "zoo_core.cli.main:main"}``.
            borrowed: folders of packages; None for those of this process.
        """
        venv.EnvBuilder(with_pip=False, symlinks=os.name != "nt").create(folder)
        variables = {"base": str(folder), "platbase": str(folder)}
        self.bin = Path(sysconfig.get_path("scripts", "venv", variables))
        self.site = Path(sysconfig.get_path("purelib", "venv", variables))
        self.python = self.bin / Path(sys.executable).name
        if not self.python.exists():
            self.python = self.bin / "python"
        lines = [
            f"import site; site.addsitedir({entry!r})" for entry in (borrowed_path() if borrowed is None else borrowed)
        ]
        (self.site / BORROWED).write_text("\n".join(lines) + "\n", encoding="utf-8")
        for name, target in (scripts or {}).items():
            module, _, function = target.partition(":")
            script = self.bin / name
            script.write_text(_SCRIPT.format(python=self.python, module=module, function=function), encoding="utf-8")
            script.chmod(0o755)

    def variables(self, **more: str) -> dict[str, str]:
        """Return the environment variables of a shell in which the environment is active."""
        inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        path = os.pathsep.join((str(self.bin), os.environ.get("PATH", "")))
        return {**inherited, "PATH": path, "VIRTUAL_ENV": str(self.bin.parent), **more}

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the environment's Python with some arguments."""
        command = [str(self.python), *arguments]
        return subprocess.run(command, env=self.variables(**variables), capture_output=True, text=True, check=False)  # noqa: S603 - ourselves

    def install(self, *arguments: str) -> None:
        """Run ``pip install``, without dependencies and without an index.

        Raises:
            PluginError: with pip's last line if pip fails, or if there is no pip.
        """
        # Asked for pip, setuptools' finder would leave distutils to the standard library for good,
        # and importing setuptools in this process, as torch.compile does, would fail from then on.
        if PathFinder.find_spec("pip") is None:
            raise PluginError("installing into an environment of its own needs pip, which is not installed here")
        quiet = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", "--ignore-installed")
        done = self.run("-m", "pip", "install", *quiet, *arguments)
        if done.returncode:
            raise PluginError(f"pip cannot install it: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")


def borrowed_path() -> Sequence[str]:
    """Return the folders of packages on this process's path, without the standard library."""
    standard = {os.path.realpath(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}
    folders = [entry for entry in sys.path if entry and Path(entry).is_dir()]
    folders += [folder for folder in site.getsitepackages() if Path(folder).is_dir()]
    kept = (folder for folder in folders if not _within_standard(os.path.realpath(folder), standard))
    return list(dict.fromkeys(os.path.realpath(folder) for folder in kept))


def _within_standard(folder: str, standard: set[str]) -> bool:
    return folder in standard or Path(folder).name == "lib-dynload"
