"""Whether a file that nothing vouches for is whole, as far as its own format says."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from zoo_core.weights.files import detect

if TYPE_CHECKING:
    from pathlib import Path


def refusal(head: bytes) -> str | None:
    """Why a file that begins so cannot be weights of a known format; None when it can."""
    if reason := detect.not_weights(head):
        return reason
    known = (detect.is_safetensors, detect.is_zip, detect.is_tar, detect.is_pickle)
    return None if any(is_known(head) for is_known in known) else f"no known format of weights; it begins {head[:12]!r}"


def incompleteness(path: Path) -> str | None:
    """What is wrong with the length of a file by its own account; None where nothing is, or it does not say."""
    head, size = detect.head_of(path), path.stat().st_size
    if detect.is_zip(head) and not zipfile.is_zipfile(path):
        return "its table of contents is missing at the end"
    if not detect.is_safetensors(head):
        return None
    import json

    length = int.from_bytes(head[:8], "little")
    with path.open("rb") as file:
        file.seek(8)
        try:
            header = json.loads(file.read(length))
            ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
            end = 8 + length + max(ends, default=0)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            return f"its header cannot be read ({type(error).__name__})"
    return None if end == size else f"it has {size:,} bytes, by its header {end:,}"
