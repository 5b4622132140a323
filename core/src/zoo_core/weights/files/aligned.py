"""Copies of weights whose tensors lie misaligned, moved by some bytes, so that they can be mapped.

`safetensors.torch.save_file` begins the data at a multiple of 8 bytes, so that in every second file the tensors lie
where kernels round differently: most bytes in 70 of the 126 architectures here with the metadata that timm writes, in
62 without it, and the data of 295 among 600 random state dicts (safetensors 0.8).

Mapping such a file would mean copying all of it into memory each time. Instead it is copied once, into Zoo's cache,
with spaces after its header: the same format, the same tensors. The copy is a file of the cache like any other: listed,
verified and pruned by ``zoo cache``. It serves as long as the original is the same file of the same size and times;
also, nobody truncates or rewrites it, as may happen to a file of the user's.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from typing import IO, TYPE_CHECKING, NamedTuple

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
    """The tensors of a safetensors file, mapped: those of its aligned copy, where it has one or needs one.

    Args:
        path: the file.
        cache_dir: where copies are kept, see `zoo_core.weights.cache.entry.cache_folder`. One that
            cannot be written, or has no room, does no harm: misaligned tensors are copied into memory then.

    Raises:
        OSError: when the file cannot be read.
        WeightsError: see `zoo_core.weights.files.safetensors.read_tensorfile`.
    """
    with path.open("rb") as file:
        layout = layout_of(file, path)
        shift = layout.best_shift()
        if layout.misaligned() < WORTH or layout.misaligned(shift) >= WORTH:
            return layout.tensors(map_file(file))
        original = _Original(path, file, layout, shift)
        entry = original.entry(cache_dir)
        try:
            copy = original.open_copy(entry) or original.copy(entry)
        except OSError:  # an optimisation: without room or permission for it, loading goes on
            copy = None
        if copy is None:
            return layout.tensors(map_file(file))
        with copy:
            return layout._replace(start=layout.start + shift).tensors(map_file(copy))


class _Original(NamedTuple):
    """A file that needs a copy; opened once, so that all that is read of it is of the same file."""

    path: Path
    file: IO[bytes]
    layout: Layout
    shift: int
    """By how many bytes the data move."""

    def entry(self, cache_dir: str | os.PathLike[str] | None) -> Entry:
        """Where the copy is kept: named after the file's path, and what its bytes were last changed by."""
        folder = f"{_short(str(self.path.resolve()))}-{_short(repr(_identity(os.fstat(self.file.fileno()))))}"
        return Entry(cache_folder(cache_dir), f"aligned/{folder}/{self.path.name}")

    def open_copy(self, entry: Entry) -> IO[bytes] | None:
        """The copy, if it is there and is what was written: by its receipt, its size, and its header.

        None, too, where somebody else could have written it.
        """
        receipt = entry.read_receipt()
        if receipt is None or not entry.path.is_file() or not only_ours_to_write(entry.path, entry.receipt_path):
            return None
        copy = entry.path.open("rb")
        status = os.fstat(copy.fileno())
        size = os.fstat(self.file.fileno()).st_size + self.shift
        head = self._head()
        known = (receipt.size, receipt.mtime_ns, size) == (status.st_size, status.st_mtime_ns, status.st_size)
        if known and copy.read(len(head)) == head:
            return copy
        copy.close()
        return None

    def copy(self, entry: Entry) -> IO[bytes] | None:
        """Write the copy, whole or not at all, and open it.

        None when the file was replaced meanwhile, or in a cache where others could change the copy.
        """
        from filelock import FileLock

        entry.path.parent.mkdir(parents=True, exist_ok=True)
        if not only_ours_to_write(entry.path.parent):
            return None
        with FileLock(entry.lock_path):
            if copy := self.open_copy(entry):
                return copy  # somebody else has made it
            # A lock may reach no other machine, so the name is nobody else's in any case.
            temporary = entry.path.with_name(f"{entry.path.name}.{secrets.token_hex(8)}.tmp")
            before = os.fstat(self.file.fileno())
            try:
                with temporary.open("xb") as target:
                    target.write(self._head())
                    self.file.seek(self.layout.start)
                    shutil.copyfileobj(self.file, target, 1 << 20)
                    target.flush()
                    os.fsync(target.fileno())
                # All copies are of one time, so that each one's receipt is every one's.
                os.utime(temporary, ns=(before.st_mtime_ns, before.st_mtime_ns))
                after = os.fstat(self.file.fileno())
                if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                    raise WeightsError(f"{self.path} was changed while it was read: load it again")
                if not _identity(before) == _identity(after) == _identity(self.path.stat()):
                    return None  # replaced by another file: this one is whole, but nobody will ask for it again
                status = temporary.stat()
                receipt = Receipt(
                    url=self.path.resolve().as_uri(),
                    size=status.st_size,
                    mtime_ns=status.st_mtime_ns,
                    sha256=sha256_of(temporary),
                )
                temporary.replace(entry.path)
            finally:
                temporary.unlink(missing_ok=True)
            entry.write_receipt(receipt)
            _forget_others(entry)
            return self.open_copy(entry)

    def _head(self) -> bytes:
        """What the copy begins with: the file's own header, and spaces."""
        self.file.seek(8)
        header = self.file.read(self.layout.start - 8) + b" " * self.shift
        return len(header).to_bytes(8, "little") + header


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _forget_others(entry: Entry) -> None:
    """Remove the copies of what the file was before; who has them mapped keeps them."""
    here = entry.path.parent
    for folder in here.parent.glob(f"{here.name.partition('-')[0]}-*"):
        if folder != here:
            shutil.rmtree(folder, ignore_errors=True)
