"""What every source of images offers."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from zoo_core.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

Encoded = "bytes | Path | OSError"
"""An image file: its bytes, where it lies, or why it cannot be read."""


class Source(ABC):
    """Encoded images in a fixed order. Worker processes get a copy each, so that it must pickle.

    Attributes:
        names: one for each image: its path from the source's folder, or table and row.
        sizes: bytes of each encoded image, as far as the source tells them; -1 where it does not.
    """

    names: Sequence[str]
    sizes: Sequence[int]

    def __len__(self) -> int:
        """The number of images."""
        return len(self.names)

    @abstractmethod
    def read(self, start: int, stop: int) -> Iterator[bytes | Path | OSError]:
        """Yield the encoded images `start` to `stop`, one for each name."""

    def require_images(self, what: str) -> None:
        """Refuse a source without images.

        Raises:
            OptionError: naming it by `what`.
        """
        if not self.names:
            raise OptionError(f"there are no images in {what}")

    def fingerprint(self) -> str:
        """A hash of every name and size: two sources with the same one list the same images."""
        digest = hashlib.sha256()
        for name, size in zip(self.names, self.sizes, strict=True):
            digest.update(f"{size} {name}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()
