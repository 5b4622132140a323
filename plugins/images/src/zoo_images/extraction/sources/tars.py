"""Images inside tar files: the shards of WebDataset."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

from zoo_core.errors import OptionError

from zoo_images.extraction.sources.base import Source
from zoo_images.extraction.sources.files import is_image_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class TarSource(Source):
    """The image files in tars, in order, named ``shard.tar/path.jpg``. Nothing is unpacked."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.names, self.sizes = [], []
        self._places: list[tuple[str, int]] = []
        for file in files:
            try:
                with tarfile.open(file, "r:") as archive:
                    members = [member for member in archive if member.isfile() and is_image_name(member.name)]
            except (tarfile.TarError, OSError) as error:
                raise OptionError(f"cannot read {str(file)!r} as an uncompressed tar: {error}") from error
            self.names += [f"{file.name}/{member.name}" for member in members]
            self.sizes += [member.size for member in members]
            self._places += [(str(file), member.offset_data) for member in members]
        self.require_images(", ".join(str(file) for file in files[:3]))

    def read(self, start: int, stop: int) -> Iterator[bytes | OSError]:
        """Yield the bytes of members."""
        for (file, offset), size in zip(self._places[start:stop], self.sizes[start:stop], strict=True):
            try:
                with open(file, "rb") as archive:  # noqa: PTH123 - a name from our own list
                    archive.seek(offset)
                    data = archive.read(size)
            except OSError as error:
                yield error
            else:
                yield data if len(data) == size else OSError("the tar ends inside the file")
