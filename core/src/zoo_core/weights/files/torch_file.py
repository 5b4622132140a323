"""Examine a file of `torch.save` before it is read: whether it is whole, honest, and mappable.

The zip, since PyTorch 1.6, holds ``<root>/data.pkl``, a pickle of the object in which tensors are
references, and ``<root>/data/<key>``, the bytes of each storage. The older file is five pickles,
the fourth of them the object's, and behind them the storages, each after its count in eight bytes.
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from zoo_core.weights.files.mapping import ALIGNMENT
from zoo_core.weights.files.rehearsal import Budget, Rehearsal, Storage, TooMuch, limit_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAGIC = 0x1950A86A20F9469CFC6C
_LOCAL_HEADER = 30  # bytes, before a record's name
_FOLDER = 0x10  # the attribute of MS-DOS
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # all that torch reads


class Findings(NamedTuple):
    """Facts about a file that `torch.load` may read."""

    names: set[str]
    """Of the functions and classes that its pickles ask for."""
    mappable: bool = False
    """Whether its storages lie in it as they are in memory."""


def examine_zip(file: IO[bytes]) -> Findings:
    """Examine a zip.

    Raises:
        pickle.UnpicklingError: naming content that is no weights.
        TooMuch: when it would take far more memory than it has bytes.
        Exception: of any other kind, when it is damaged.
    """
    with zipfile.ZipFile(file) as archive:
        records = whole_records(archive)
        root = records[0].filename.partition("/")[0]
        sizes = {record.filename: record.file_size for record in records}

        def storage(item_size: int, key: Any, count: int, _view: Any) -> Storage:
            if count * item_size != sizes[f"{root}/data/{key}"]:
                raise ValueError(f"storage {key} is not of the size that it has in the archive")
            return Storage(count * item_size, item_size)

        byte_order = archive.read(f"{root}/byteorder") if f"{root}/byteorder" in sizes else b"little"
        budget = Budget(file.seek(0, os.SEEK_END))
        rehearsal = Rehearsal(io.BytesIO(archive.read(f"{root}/data.pkl")), budget, storage)
        rehearsal.load()
    return Findings(rehearsal.names, byte_order == b"little" and _lie_as_in_memory(file, records, f"{root}/data/"))


def whole_records(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the records of an archive that hides nothing and may be unpacked.

    Raises:
        TooMuch: when they are far larger than the archive.
        zipfile.BadZipFile: when neither torch nor a packer writes such records.
    """
    records = archive.infolist()
    if len({record.filename.lower() for record in records}) < len(records):
        raise zipfile.BadZipFile("a name stands twice")
    if not records or min(record.header_offset for record in records):
        raise zipfile.BadZipFile("it does not begin with a record")
    if any(record.compress_type not in _METHODS for record in records):
        raise zipfile.BadZipFile("a record is compressed in a way that torch cannot read")
    # torch leaves such a record unread, and gives whatever lies in this process's memory.
    if any(record.file_size and (record.external_attr & _FOLDER or record.is_dir()) for record in records):
        raise zipfile.BadZipFile("a record has bytes, and says that it is a folder")
    size = archive.fp.seek(0, os.SEEK_END) if archive.fp else 0
    if any(record.header_offset + record.compress_size > size for record in records):
        raise zipfile.BadZipFile("a record is longer than the archive")  # reading it would take its memory first
    if sum(record.file_size for record in records) > limit_of(size):
        raise TooMuch
    return records


def _lie_as_in_memory(file: IO[bytes], records: Sequence[zipfile.ZipInfo], folder: str) -> bool:
    """Return whether the storages are uncompressed, and begin where kernels expect them."""
    for record in records:
        if record.compress_type != zipfile.ZIP_STORED or record.compress_size != record.file_size:
            return False
        if record.filename.startswith(folder) and record.file_size:
            file.seek(record.header_offset + _LOCAL_HEADER - 4)
            if (record.header_offset + _LOCAL_HEADER + sum(struct.unpack("<HH", file.read(4)))) % ALIGNMENT:
                return False
    return True


def examine_pickle(file: IO[bytes]) -> Findings:
    """Examine the older file; raises as `examine_zip` does."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    budget = Budget(size)
    storages: dict[Any, Storage] = {}
    roots: dict[Any, int] = {}  # without those that are parts of another

    def storage(item_size: int, key: Any, count: int, view: Any) -> Storage:
        if key not in storages:
            storages[key] = Storage(count * item_size, item_size)
            roots[key] = count * item_size
            if count < 0 or sum(roots.values()) > size:
                raise EOFError("its storages are larger than the file")
        if view is None:
            return storages[key]
        view_key, offset, length = view
        if not isinstance(view_key, str | int) or min(offset, length) < 0 or offset + length > count:
            raise ValueError("a part of a storage lies outside it")
        return storages.setdefault(view_key, Storage(length * item_size, item_size))

    pickles = [Rehearsal(file, budget, storage if place == 3 else None) for place in range(5)]
    magic, *_, keys = [each.load() for each in pickles]
    if magic != _MAGIC:
        raise ValueError("it is a pickle, but not one that torch.save wrote")
    if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(map(str, roots)):
        raise ValueError("its storages are not those that its tensors lie in")
    if sum(roots.values()) + 8 * len(roots) > size - file.tell():
        raise EOFError("it ends before its last storage")
    return Findings(set().union(*(each.names for each in pickles)))
