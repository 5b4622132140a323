"""Copies of weights whose tensors lie misaligned, put in another order, so that they can be mapped.

`safetensors.torch.save_file` begins the data at a multiple of 8 bytes. So in every second file the
tensors lie where kernels round differently: most bytes in 70 of the 126 architectures here with the
metadata that timm writes, in 62 without it, and the data of 295 among 600 random state dicts
(safetensors 0.8). In others a tensor of an odd size moves all that follow: 19 of the 49 MB of an
efficientnet_b3.

To map such a file would mean copying much of it into memory each time. Instead it is copied once,
into Zoo's cache, in an order that aligns: the same format, the same tensors. The copy is a
file of the cache like any other: ``zoo cache`` lists, verifies and removes it. It serves as long as
the original is the same file of the same size and times. And nobody truncates or rewrites it, as
may happen to a user's file.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from contextlib import suppress
from typing import IO, TYPE_CHECKING

from zoo_core.errors import WeightsError
from zoo_core.weights.cache.entry import Entry, Receipt, cache_folder
from zoo_core.weights.cache.paths import only_ours_to_write
from zoo_core.weights.cache.verify import sha256_of
from zoo_core.weights.files.mapping import map_file
from zoo_core.weights.files.safetensors import Layout, layout_of

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

WORTH = 4_000_000
"""Misaligned bytes below which copying them into memory at each load is cheap enough."""


def map_aligned(path: Path, cache_dir: str | os.PathLike[str] | None = None) -> dict[str, Tensor]:
    """Return the mapped tensors of a safetensors file: from its aligned copy, if it needs one.

    Args:
        path: the file.
        cache_dir: the cache folder with the copies. One that cannot be written, or has no room,
            does no harm: misaligned tensors are copied into memory then.

    Raises:
        OSError: when the file cannot be read.
        WeightsError: see `zoo_core.weights.files.safetensors.read_tensorfile`.
    """
    # Opened once, so that all that is read is of the same file.
    with path.open("rb") as file:
        status = os.fstat(file.fileno())  # before anything is read, so that a change meanwhile shows
        entry = _entry_of(path, status, cache_dir)
        layout = copy = None
        with suppress(OSError):  # an optimisation: without room or permission for a copy, loading goes on
            if (copy := _open_copy(entry)) is None:
                layout = layout_of(file, path)
                copy = _make_copy(entry, file, status, layout)
        if copy is None:
            return (layout or layout_of(file, path)).tensors(map_file(file))
        with copy:
            return layout_of(copy, entry.path).tensors(map_file(copy))


def _entry_of(path: Path, status: os.stat_result, cache_dir: str | os.PathLike[str] | None) -> Entry:
    """Return the place of a file's copy, which no other file or version of it has."""
    folder = f"{_short(str(path.resolve()))}-{_short(repr(_identity(status)))}"
    return Entry(cache_folder(cache_dir), f"aligned/{folder}/{path.name}")


def _make_copy(entry: Entry, file: IO[bytes], status: os.stat_result, layout: Layout) -> IO[bytes] | None:
    """Write the copy of a file and open it.

    None for a file that needs none, when it was replaced meanwhile, or where others could change
    the copy.
    """
    if layout.misaligned() < WORTH:
        return None
    head, arranged = layout.rearranged()
    if arranged.misaligned() >= WORTH:
        return None
    entry.path.parent.mkdir(parents=True, exist_ok=True)
    if not only_ours_to_write(entry.path.parent):
        return None
    with entry.lock():
        if copy := _open_copy(entry):
            return copy  # somebody else has made it
        if not _write(entry, head, file, status, layout, arranged):
            return None
        _forget_others(entry)
        return _open_copy(entry)


def _open_copy(entry: Entry) -> IO[bytes] | None:
    """Open the copy if it is right by receipt, size and header, and nobody else could write it."""
    receipt = entry.read_receipt()
    if receipt is None or not entry.path.is_file() or not only_ours_to_write(entry.path, entry.receipt_path):
        return None
    copy = entry.path.open("rb")
    status = os.fstat(copy.fileno())
    if (receipt.size, receipt.mtime_ns) == (status.st_size, status.st_mtime_ns):
        head = copy.read(8)
        head += copy.read(min(int.from_bytes(head, "little"), status.st_size))
        if receipt.validator == hashlib.sha256(head).hexdigest():
            return copy
    copy.close()
    return None


def _write(
    entry: Entry, head: bytes, file: IO[bytes], before: os.stat_result, layout: Layout, arranged: Layout
) -> bool:
    """Write `head` and the file's tensors, all or nothing; False if the file was replaced."""
    path, begins = layout.path, {name: layout.start + begin for name, _, _, begin, _ in layout.entries}
    # A lock may reach no other machine, so the name is nobody else's in any case.
    temporary = entry.path.with_name(f"{entry.path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as target:
            target.write(head)
            for name, dtype, _, _, count in arranged.entries:
                shutil.copyfileobj(_Part(file, begins[name], count * dtype.itemsize), target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
        # All copies are of one time, so that each one's receipt is every one's.
        os.utime(temporary, ns=(before.st_mtime_ns, before.st_mtime_ns))
        after = os.fstat(file.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise WeightsError(f"{path} was changed while it was read: load it again")
        if not _identity(before) == _identity(after) == _identity(path.stat()):
            return False  # replaced by another file: this one is whole, but nobody will ask for it again
        told = Receipt(url=path.resolve().as_uri(), validator=hashlib.sha256(head).hexdigest())
        receipt = told.of(temporary, sha256_of(temporary))
        temporary.replace(entry.path)
    finally:
        temporary.unlink(missing_ok=True)
    entry.write_receipt(receipt)
    return True


class _Part:
    """Some bytes of an open file, to read from their begin."""

    def __init__(self, file: IO[bytes], begin: int, size: int) -> None:
        self._file, self._left = file, size
        file.seek(begin)

    def read(self, length: int = -1) -> bytes:
        found = self._file.read(self._left if length < 0 else min(length, self._left))
        self._left -= len(found)
        return found


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _forget_others(entry: Entry) -> None:
    """Remove copies of earlier versions of the file; processes that map them keep them."""
    here = entry.path.parent
    for folder in here.parent.glob(f"{here.name.partition('-')[0]}-*"):
        if folder != here:
            shutil.rmtree(folder, ignore_errors=True)
