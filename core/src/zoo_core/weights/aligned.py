"""Copies of weights whose tensors lie misaligned, moved by some bytes, so that they can be mapped.

A safetensors file begins with a header of any length, so that in many published ones every tensor lies at 8 bytes past
a multiple of 16, where kernels round differently. Mapping such a file would mean copying all of it into memory
each time. Instead it is copied once, into Zoo's cache, with spaces after its header: the same format, the same tensors.
The copy is a file of the cache like any other: listed, verified and pruned by ``zoo cache``. It serves as long as the
original is the same file of the same size and times; also, nobody truncates or rewrites it, as may happen to a file of
the user's.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from typing import TYPE_CHECKING

from zoo_core.weights.cache import Entry, Receipt, cache_folder
from zoo_core.weights.tensorfile import Layout, open_tensorfile, read_tensorfile
from zoo_core.weights.verify import sha256_of

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

WORTH = 4_000_000
"""Misaligned bytes below which copying them into memory at each load is cheap enough."""


def map_aligned(path: Path, cache_dir: str | os.PathLike[str] | None = None) -> dict[str, Tensor]:
    """The tensors of a safetensors file, mapped: those of its aligned copy, where it has one or needs one.

    Args:
        path: the file.
        cache_dir: where copies are kept, see `zoo_core.weights.cache.cache_folder`. One that cannot be written, or has
            no room, does no harm: misaligned tensors are copied into memory then.

    Raises:
        OSError: when the file cannot be read.
        WeightsError: see `zoo_core.weights.tensorfile.read_tensorfile`.
    """
    if path.stat().st_size < WORTH:
        return read_tensorfile(path, mapped=True)
    entry = _entry(path, cache_dir)
    if entry.path.is_file():
        return read_tensorfile(entry.path, mapped=True)
    layout, buffer = open_tensorfile(path, mapped=True)
    if layout.misaligned() >= WORTH and _copy(path, layout, entry):
        return read_tensorfile(entry.path, mapped=True)
    return layout.tensors(buffer)


def _entry(path: Path, cache_dir: str | os.PathLike[str] | None) -> Entry:
    """Where the copy of a file is kept: named after its path, and what its bytes were last changed by."""
    real = path.resolve()
    status = real.stat()
    identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    folder = f"{_short(str(real))}-{_short(repr(identity))}"
    return Entry(cache_folder(cache_dir), f"aligned/{folder}/{path.name}")


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _copy(path: Path, layout: Layout, entry: Entry) -> bool:
    """Write the copy, whole or not at all; whether it is there."""
    shift = layout.best_shift()
    if layout.misaligned(shift) >= WORTH:
        return False
    temporary = entry.path.with_name(f"{entry.path.name}.{os.getpid()}.tmp")
    try:
        temporary.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("rb") as source, temporary.open("wb") as target:
                target.write((layout.start - 8 + shift).to_bytes(8, "little"))
                source.seek(8)
                target.write(source.read(layout.start - 8) + b" " * shift)
                shutil.copyfileobj(source, target, 1 << 20)
            if _entry(path, entry.folder) != entry:
                return False  # somebody changed the file meanwhile
            temporary.replace(entry.path)
        finally:
            temporary.unlink(missing_ok=True)
        status = entry.path.stat()
        entry.write_receipt(
            Receipt(
                url=path.resolve().as_uri(),
                size=status.st_size,
                mtime_ns=status.st_mtime_ns,
                sha256=sha256_of(entry.path),
            )
        )
        _forget_others(entry)
    except OSError:  # an optimisation: without room or permission for it, loading goes on
        return entry.path.is_file()
    return True


def _forget_others(entry: Entry) -> None:
    """Remove the copies of what the file was before; who has them mapped keeps them."""
    here = entry.path.parent
    for folder in here.parent.glob(f"{here.name.partition('-')[0]}-*"):
        if folder != here:
            shutil.rmtree(folder, ignore_errors=True)
