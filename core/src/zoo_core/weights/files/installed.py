"""Tell a package's files that an installer put there: it replaces them, and never rewrites them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def is_installed(path: Path, inside: str) -> bool:
    """Return whether an installer recorded the file; it does not for an editable package.

    Args:
        path: the file.
        inside: its path from the folder that holds the package, ``zoo_x/weights/net.safetensors``.
    """
    site = path.parents[inside.count("/")]
    package = inside.partition("/")[0]
    # Mostly distribution and package have one name. Reading the records of all others takes some
    # milliseconds.
    records = sorted(site.glob("*.dist-info/RECORD"), key=lambda record: not record.parent.name.startswith(package))
    return any(_lists(record, f"{inside},".encode()) for record in records)


def _lists(record: Path, line: bytes) -> bool:
    try:
        content = record.read_bytes()
    except OSError:
        return False
    return content.startswith(line) or b"\n" + line in content
