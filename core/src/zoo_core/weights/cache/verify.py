"""SHA-256 of files, and the hashes that names and configs give."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.[^/]+$", re.IGNORECASE)
_DATE = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")


@dataclasses.dataclass(frozen=True)
class Expected:
    """The SHA-256 that a file must have."""

    sha256: str
    """In hex: whole, or its first characters."""
    named_by: str
    """``config``, ``name`` (the file's) or ``hub``."""

    def matches(self, sha256: str) -> bool:
        """Return whether a whole hash is the one expected."""
        return sha256.startswith(self.sha256.lower())


def sha256_of(path: Path) -> str:
    """Return the file's SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_in_name(name: str) -> str | None:
    """Return the first characters of the SHA-256 in a name: of ``net-f37072fd.pth`` ``f37072fd``.

    A number is a hash only if it has eight digits, as torch writes them, and is no date:
    ``net-20240131.pth`` has none.
    """
    match = _HASH_IN_NAME.search(name)
    if not match or (match[1].isdigit() and (len(match[1]) != 8 or _DATE.fullmatch(match[1]))):
        return None
    return match[1].lower()


def is_sha256(text: str) -> bool:
    """Return whether a text is a whole SHA-256 in hex."""
    return re.fullmatch("[0-9a-f]{64}", text) is not None


def is_commit(text: str) -> bool:
    """Return whether a text is the whole hash of a commit."""
    return re.fullmatch("[0-9a-f]{40}", text) is not None
