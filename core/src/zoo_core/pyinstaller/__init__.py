"""The hook of PyInstaller, which the entry point ``pyinstaller40`` leads to: `hook-zoo_core`."""

from __future__ import annotations

from pathlib import Path


def hook_dirs() -> list[str]:
    """The directories of PyInstaller hooks."""
    return [str(Path(__file__).parent)]
