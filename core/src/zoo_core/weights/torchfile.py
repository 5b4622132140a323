"""Map the zip that `torch.save` writes, where it holds nothing but tensors and plain values, by its own layout.

The format: a zip archive, uncompressed, of ``<name>/data.pkl``, a pickle of the object, whose tensors are references,
and ``<name>/data/<key>``, the bytes of each storage, aligned to 64. ``torch.load(weights_only=True)`` reads the pickle
by an interpreter written in Python, which for a network of some hundred tensors is most of the time of loading it. Here
Python's own reads it, which may call what stands in `_ALLOWED` and nothing else: an empty table, and stand-ins that
note what they are told. Tensors are made afterwards. A file that asks for anything else is left to ``torch.load``.

A tensor is a private view of the file, as in `zoo_core.weights.buffers`. Checksums are not looked at, which would read
the file whole; nor are they by ``torch.load(mmap=True)``.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from zoo_core.weights.buffers import Buffer, map_file, tensor_of

if TYPE_CHECKING:
    from pathlib import Path

_END = b"PK\x05\x06"
_END_BYTES = 22
_LONGEST_COMMENT = 0xFFFF
_ENTRY = struct.Struct("<4s2HHH2HIII5HII")  # of the central directory
_LOCAL_BYTES = 30
_STORED = 0
_DEEPEST = 100


class NotPlain(Exception):  # noqa: N818 - no error: the file is for another reader
    """The file is not of the kind that is read here."""


class _Storage(NamedTuple):
    dtype: torch.dtype
    key: str
    length: int


class _Pending(NamedTuple):
    """A tensor to be made."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]
    requires_grad: bool


class _Rebuild:
    """What stands for ``torch._utils._rebuild_tensor_v2``; without attributes that a pickle could set."""

    __slots__ = ()

    def __call__(
        self, storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any = False, *_: Any
    ) -> _Pending:
        if not isinstance(storage, _Storage):
            raise NotPlain
        return _Pending(storage, offset, size, stride, requires_grad)


_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _Rebuild(),
    ("torch", "BoolStorage"): torch.bool,
    ("torch", "ByteStorage"): torch.uint8,
    ("torch", "CharStorage"): torch.int8,
    ("torch", "ShortStorage"): torch.int16,
    ("torch", "IntStorage"): torch.int32,
    ("torch", "LongStorage"): torch.int64,
    ("torch", "HalfStorage"): torch.float16,
    ("torch", "BFloat16Storage"): torch.bfloat16,
    ("torch", "FloatStorage"): torch.float32,
    ("torch", "DoubleStorage"): torch.float64,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise NotPlain from None

    def persistent_load(self, pid: Any) -> _Storage:
        match pid:
            case ("storage", torch.dtype() as dtype, str() as key, str(), int() as length):
                return _Storage(dtype, key, length)
        raise NotPlain


def map_torchfile(path: Path) -> Any:
    """What `torch.save` wrote into the file, as ``torch.load(mmap=True, weights_only=True)`` reads it.

    Raises:
        OSError: when the file cannot be read.
        NotPlain: for any file that only ``torch.load`` can read, or can say what is wrong with.
    """
    buffer = map_file(path)
    try:
        records = _records(buffer)
        (root,) = (name.removesuffix("data.pkl") for name in records if name.endswith("/data.pkl"))
        order = records.get(f"{root}byteorder")
        if order and bytes(buffer[slice(*order)]) != b"little":
            raise NotPlain
        content = _Unpickler(io.BytesIO(buffer[slice(*records[f"{root}data.pkl"])])).load()
        return _Tensors(buffer, records, root).in_place_of_pending(content)
    except NotPlain:
        raise
    except Exception as error:  # whatever a damaged file makes an unpickler or a constructor stumble over
        raise NotPlain from error


def _records(buffer: Buffer) -> dict[str, tuple[int, int]]:
    """Name of every record to where its bytes begin and end."""
    end = buffer.rfind(_END, max(len(buffer) - _END_BYTES - _LONGEST_COMMENT, 0))
    if end < 0 or end + _END_BYTES > len(buffer):
        raise NotPlain
    count, _, position = struct.unpack_from("<HII", buffer, end + 10)
    records: dict[str, tuple[int, int]] = {}
    for _ in range(count):
        entry = _ENTRY.unpack_from(buffer, position)
        method, size, name_bytes, extra_bytes, comment_bytes, local = (entry[i] for i in (4, 8, 10, 11, 12, 16))
        position += _ENTRY.size
        name = bytes(buffer[position : position + name_bytes]).decode()
        position += name_bytes + extra_bytes + comment_bytes
        local_name_bytes, local_extra_bytes = struct.unpack_from("<HH", buffer, local + 26)
        begin = local + _LOCAL_BYTES + local_name_bytes + local_extra_bytes
        # A size of all ones means an entry of zip64, for files beyond 4 GiB.
        if method != _STORED or begin + size > end or name in records:
            raise NotPlain
        records[name] = (begin, begin + size)
    return records


class _Tensors:
    """Makes the tensors of a file, those of one storage with one memory."""

    def __init__(self, buffer: Buffer, records: dict[str, tuple[int, int]], root: str) -> None:
        self.buffer, self.records, self.root = buffer, records, root
        self.storages: dict[_Storage, Tensor] = {}
        self.seen: set[int] = set()

    def in_place_of_pending(self, content: Any, depth: int = 0) -> Any:
        """`content` with its tensors made."""
        if isinstance(content, _Pending):
            return self.tensor(content)
        if isinstance(content, dict | list):
            if id(content) in self.seen:
                return content
            self.seen.add(id(content))
        if depth > _DEEPEST:
            raise NotPlain
        if isinstance(content, dict):
            if not all(isinstance(key, str | int) for key in content):
                raise NotPlain
            for key, value in content.items():
                content[key] = self.in_place_of_pending(value, depth + 1)
        elif isinstance(content, list):
            content[:] = [self.in_place_of_pending(value, depth + 1) for value in content]
        elif not isinstance(content, Tensor | str | int | float | bool | bytes | None):
            raise NotPlain  # a tuple, which a program might nest without end; a stand-in where its original was meant
        return content

    def tensor(self, pending: _Pending) -> Tensor:
        if (storage := self.storages.get(pending.storage)) is None:
            dtype, key, length = pending.storage
            begin, end = self.records[f"{self.root}data/{key}"]
            if end - begin != length * dtype.itemsize:
                raise NotPlain
            storage = self.storages[pending.storage] = tensor_of(self.buffer, begin, dtype, [length], length)
        size, stride, offset = pending.size, pending.stride, pending.offset
        if offset == 0 and math.prod(size) == len(storage) and stride == _contiguous(size):
            tensor = storage.view(size)
        else:
            tensor = storage.as_strided(size, stride, offset)
        return tensor.requires_grad_() if pending.requires_grad else tensor


def _contiguous(size: tuple[int, ...]) -> tuple[int, ...]:
    strides = [1]
    for length in reversed(size[1:]):
        strides.append(strides[-1] * max(length, 1))
    return tuple(reversed(strides)) if size else ()
