"""Read a safetensors file, copied into memory or mapped without copying.

The format: eight bytes of header length (little-endian), a JSON header of names to dtype, shape and offsets, the data.

A mapped tensor is a private view of the file: pages are shared with every process that maps it until something writes
to the tensor, which then gets its own copy of the page (MAP_PRIVATE), so training never changes the file. But a file
that is changed in place changes the tensors, and one that is truncated kills the process that touches them (SIGBUS). So
only files that nobody changes in place may be mapped, see `zoo_core.weights.load`. safetensors' own ``load_file``
always maps.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch

from zoo_core.errors import WeightsError
from zoo_core.weights.buffers import ALIGNMENT, map_file, tensor_of

if TYPE_CHECKING:
    from torch import Tensor

    from zoo_core.weights.buffers import Buffer

_MAX_HEADER = 100_000_000
_AGAIN = "delete it and fetch it again"

_FIELDS = {"dtype", "shape", "data_offsets"}
_DTYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E4M3": torch.float8_e4m3fn,
    "U16": torch.uint16,
    "I16": torch.int16,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "U32": torch.uint32,
    "I32": torch.int32,
    "F32": torch.float32,
    "U64": torch.uint64,
    "I64": torch.int64,
    "F64": torch.float64,
    "C64": torch.complex64,
}


class Layout(NamedTuple):
    """Where the tensors of a file lie."""

    start: int
    """Of the data, behind the header."""
    entries: list[tuple[str, torch.dtype, list[int], int, int]]
    """Name, dtype, shape, offset in the data, count of numbers."""

    def misaligned(self, shift: int = 0) -> int:
        """Bytes of tensors that would lie misaligned if the data were `shift` bytes further on."""
        start = self.start + shift
        return sum(count * dtype.itemsize for _, dtype, _, begin, count in self.entries if (start + begin) % ALIGNMENT)

    def best_shift(self) -> int:
        """By how many bytes to move the data so that as few as can be lie misaligned."""
        return min(range(0, ALIGNMENT, 4), key=self.misaligned)

    def tensors(self, buffer: Buffer) -> dict[str, Tensor]:
        """The tensors of a file that is in `buffer`."""
        return {
            name: tensor_of(buffer, self.start + begin, dtype, shape, count)
            for name, dtype, shape, begin, count in self.entries
        }


def read_tensorfile(path: str | os.PathLike[str], *, mapped: bool = False) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Args:
        path: the file.
        mapped: map it instead of reading it into memory; tensors that lie misaligned are copied all the same, see
            `zoo_core.weights.aligned`.

    Raises:
        WeightsError: for a file that safetensors' own reader would refuse: truncated, overlapping, of an unknown dtype.
    """
    layout, buffer = open_tensorfile(Path(path), mapped=mapped)
    return layout.tensors(buffer)


def open_tensorfile(path: Path, *, mapped: bool) -> tuple[Layout, Buffer]:
    """Where the tensors of a safetensors file lie, and its bytes; as `read_tensorfile`."""
    if mapped:
        mapping = map_file(path)
        length = int.from_bytes(mapping[:8], "little")
        return _layout(path, bytes(mapping[: 8 + min(length, _MAX_HEADER)]), len(mapping)), mapping
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(8)
        layout = _layout(path, head + file.read(min(int.from_bytes(head, "little"), _MAX_HEADER)), size)
        lead = layout._replace(start=0).best_shift()
        buffer = bytearray(lead + size - layout.start)
        if lead + file.readinto(memoryview(buffer)[lead:]) < len(buffer):
            raise WeightsError(f"{path} was truncated while it was read: {_AGAIN}")
    return layout._replace(start=lead), buffer


def _layout(path: Path, head: bytes, size: int) -> Layout:
    """From a file's first bytes, header included, and its size."""
    start = 8 + int.from_bytes(head[:8], "little")
    if size < 8 or start > len(head):
        raise WeightsError(f"{path} is truncated ({size:,} bytes, its header incomplete): {_AGAIN}")
    try:
        entries = _check(_parse(head[8:]))
    except ValueError as error:
        raise WeightsError(f"{path} is a damaged safetensors file: {error}; {_AGAIN}") from None
    end = start + max((begin + count * dtype.itemsize for _, dtype, _, begin, count in entries), default=0)
    if end > size:
        raise WeightsError(f"{path} is truncated ({size:,} of {end:,} bytes): {_AGAIN}")
    if end < size:
        raise WeightsError(f"{path} is a damaged safetensors file: it goes on behind its last tensor; {_AGAIN}")
    return Layout(start, entries)


def _parse(raw: bytes) -> dict[str, Any]:
    if not raw.startswith(b"{"):
        raise ValueError("its header does not begin with '{'")
    header = json.loads(raw.decode("utf-8"))
    metadata = header.pop("__metadata__", None)
    if metadata is not None and not (
        isinstance(metadata, dict) and all(isinstance(value, str) for value in metadata.values())
    ):
        raise ValueError("its __metadata__ is no table of strings")
    # A name or field that stands twice: json keeps the last, so fewer are left than were written. Counting the fields
    # finds that in a fraction of the time of a hook on every object; where a tensor is called "dtype", the hook
    # decides.
    if any(raw.count(field) != len(header) for field in (b'"dtype"', b'"shape"', b'"data_offsets"')):
        json.loads(raw.decode("utf-8"), object_pairs_hook=_refuse_duplicates)
    return cast("dict[str, Any]", header)


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a name stands twice in its header")
    return result


def _are_sizes(values: list[Any]) -> bool:
    for value in values:  # noqa: SIM110 - the generator of `all` takes longer than what it looks at
        if type(value) is not int or value < 0:
            return False
    return True


def _check(header: dict[str, Any]) -> list[tuple[str, torch.dtype, list[int], int, int]]:
    """Every entry as (name, dtype, shape, offset, count), the data covered without a gap or an overlap."""
    entries = []
    spans = []
    for name, entry in header.items():
        if not isinstance(entry, dict) or entry.keys() != _FIELDS:
            raise ValueError(f"entry {name!r} is not dtype, shape and data_offsets")
        shape, offsets = entry["shape"], entry["data_offsets"]
        if (dtype := _DTYPES.get(entry["dtype"])) is None:
            raise ValueError(f"entry {name!r} has unknown dtype {entry['dtype']!r}")
        if not isinstance(shape, list) or not _are_sizes(shape):
            raise ValueError(f"entry {name!r} has impossible shape {shape!r}")
        if not isinstance(offsets, list) or len(offsets) != 2 or not _are_sizes(offsets):
            raise ValueError(f"entry {name!r} has impossible offsets {offsets!r}")
        begin, end = offsets
        count = math.prod(shape)
        if end - begin != count * dtype.itemsize:
            raise ValueError(
                f"entry {name!r} has {end - begin} bytes, its shape {shape} needs {count * dtype.itemsize}"
            )
        spans.append((begin, end))
        entries.append((name, dtype, shape, begin, count))
    position = 0
    for begin, end in sorted(spans):
        if begin != position:
            raise ValueError(f"its data has a gap or an overlap at byte {position}")
        position = end
    return entries
