"""PyInstaller's way to the hook beside this file: an entry point of the group ``pyinstaller40`` names `hook_dirs`."""

from __future__ import annotations

from pathlib import Path


def hook_dirs() -> list[str]:
    """The directories that hold PyInstaller hooks."""
    return [str(Path(__file__).parent)]
