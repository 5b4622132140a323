"""Wheels of this repository's projects, built as users build them, and folders to install from."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
QUIET = ("--quiet", "--disable-pip-version-check", "--no-index")


def build_wheel(project: Path, folder: Path) -> Path:
    """Build a project's wheel into a folder, with the installed hatchling and without a network."""
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.glob("*.whl"))
    options = ("--no-deps", "--no-build-isolation", "--wheel-dir", str(folder))
    command = [sys.executable, "-m", "pip", "wheel", *QUIET, *options, str(project)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = set(folder.glob("*.whl")) - before
    return wheel


def unpack(wheel: Path, folder: Path) -> None:
    """Put a wheel's files where an installer would."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)


def packages_of_others(folder: Path) -> Path:
    """Fill a folder with links to all installed packages but those of this repository."""
    folder.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if "zoo_" not in entry.name:  # neither packages of ours nor the .pth files of their editable installs
            (folder / entry.name).symlink_to(entry)
    return folder


def run_kit(site: str, distribution: str, name: str | None = None) -> dict[str, tuple[str, str]]:
    """Run one check, or all, over a plugin in `site`, in this process: name to outcome and text."""
    import zoo_core
    from zoo_kit.conformance import run_checks

    sys.path.insert(0, site)
    zoo_core.refresh()
    results = run_checks(distribution, [name] if name else None)
    return {result.check.name: (result.outcome, result.text()) for result in results}
