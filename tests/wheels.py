"""Wheels of this repository's projects, built as a user builds them; and the fault runner's process."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def build_wheel(project: Path, folder: Path) -> Path:
    """Build a project's wheel into a folder, with this environment's hatchling: no network."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-index",
    ]
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.glob("*.whl"))
    command += ["--no-build-isolation", "--wheel-dir", str(folder), str(project)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = set(folder.glob("*.whl")) - before
    return wheel


def unpack(wheel: Path, folder: Path) -> None:
    """Put a wheel's files where an installer would."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)


def run_kit(site: str, distribution: str, name: str | None = None) -> dict[str, tuple[str, str]]:
    """Run a check, or all of them, over a plugin in `site`: name to outcome and text. For a process of its own."""
    import zoo_core
    from zoo_kit.conformance.run import run_checks

    sys.path.insert(0, site)
    zoo_core.refresh()
    results = run_checks(distribution, [name] if name else None)
    return {result.check.name: (result.outcome, result.text()) for result in results}
