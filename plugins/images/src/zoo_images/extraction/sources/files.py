"""Image files: a folder and all below it, or a list of paths."""

from __future__ import annotations

import os
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from zoo_core.errors import OptionError

from zoo_images.extraction.sources.base import Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SUFFIXES = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".apng",
        ".gif",
        ".bmp",
        ".dib",
        ".tif",
        ".tiff",
        ".webp",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".ico",
        ".tga",
        ".avif",
        ".jp2",
        ".j2k",
    ]
)
"""Suffixes of the files that count as images where a whole folder is asked for."""


class FileSource(Source):
    """Files in the order given; each is named by its path from `root`, or as it was given."""

    def __init__(self, paths: Sequence[Path], root: Path | None = None) -> None:
        self.paths = paths
        self.names = [(path.relative_to(root) if root else path).as_posix() for path in paths]
        self.sizes = [_size_of(path) for path in paths]
        self.require_images(repr(str(root)) if root else "the list of paths")
        if len(set(self.names)) != len(self.names):
            twice = next(name for number, name in enumerate(self.names) if name in self.names[:number])
            raise OptionError(f"the list of paths has {twice!r} twice")

    def read(self, start: int, stop: int) -> Iterator[Path]:
        """Yield the paths: whoever decodes the files opens them."""
        yield from self.paths[start:stop]


def files_in(folder: Path) -> FileSource:
    """Every image file in a folder and below it, by name; hidden files and folders are left out.

    Raises:
        OptionError: when there is none.
    """
    found = []
    for directory, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(directory, name) for name in files if not name.startswith(".") and is_image_name(name)]
    return FileSource(sorted(found, key=lambda path: path.relative_to(folder).as_posix()), folder)


def is_image_name(name: str) -> bool:
    """Return whether a file of this name is an image, judged by its suffix."""
    return PurePath(name).suffix.lower() in SUFFIXES


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1  # reading it will say why
