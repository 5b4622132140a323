"""Read a safetensors file, copied into memory or mapped without copying, and write one.

The format: eight bytes of header length (little-endian), a JSON header of names to dtype, shape and
offsets, the data. The safetensors library reads and checks the header (0.3 ms for a ResNet-50; the
same in Python takes 0.5).

A mapped tensor is a private view of the file (MAP_PRIVATE): processes share its pages until one
writes to the tensor and gets its own copy of the page, so training never changes the file. But a
file that is changed in place changes the tensors, and one that is truncated kills the process that
touches them (SIGBUS). So only files that nobody changes in place may be mapped, see
`zoo_core.weights.loading.load`. safetensors' own ``load_file`` always maps.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import torch
from safetensors import SafetensorError, safe_open

from zoo_core.errors import WeightsError
from zoo_core.weights.files.mapping import ALIGNMENT, map_file, tensor_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from zoo_core.weights.files.mapping import Buffer

REMEDY = "copy or download it again (`zoo cache verify` looks after the files of the cache)"
"""The remedy for a damaged file."""
_DTYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2FNUZ": torch.float8_e5m2fnuz,
    "F8_E4M3FNUZ": torch.float8_e4m3fnuz,
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
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


Entry = tuple[str, torch.dtype, list[int], int, int]
"""A tensor in a file: name, dtype, shape, offset in the data, count of numbers."""


class Layout(NamedTuple):
    """The offsets of the tensors in a file."""

    path: Path
    """For messages."""
    start: int
    """Of the data, behind the header."""
    entries: list[Entry]
    """In the order of their offsets."""

    @property
    def size(self) -> int:
        """Bytes of the data."""
        return max((entry[3] + _bytes(entry) for entry in self.entries[-1:]), default=0)

    def misaligned(self, shift: int = 0) -> int:
        """Return the bytes of tensors that lie misaligned with the data moved by `shift` bytes."""
        start = self.start + shift
        return sum(_bytes(entry) for entry in self.entries if (start + entry[3]) % ALIGNMENT)

    def best_shift(self) -> int:
        """Return by how many bytes to move the data so that the fewest lie misaligned."""
        return min(range(0, ALIGNMENT, 4), key=self.misaligned)

    def rearranged(self) -> tuple[bytes, Layout]:
        """Return another layout of the same tensors, of which most lie aligned, and its header.

        Those of a multiple of `ALIGNMENT` bytes come first, so that only the others, mostly small
        ones, move each other out of place.
        """
        entries, end = [], 0
        for name, dtype, shape, _, count in sorted(self.entries, key=lambda entry: _bytes(entry) % ALIGNMENT > 0):
            entries.append((name, dtype, shape, end, count))
            end += count * dtype.itemsize
        head = _head_of(entries)
        return head, Layout(self.path, len(head), entries)

    def tensors(self, buffer: Buffer) -> dict[str, Tensor]:
        """Return the tensors of a file that is in `buffer`.

        Raises:
            WeightsError: when the file has become shorter, or a tensor is of a shape that no tensor
                can have.
        """
        if len(buffer) < self.start + self.size:
            raise WeightsError(f"{self.path} was truncated while it was read: {REMEDY}")
        try:
            return {
                name: tensor_of(buffer, self.start + begin, dtype, shape, count)
                for name, dtype, shape, begin, count in self.entries
            }
        except (TypeError, RuntimeError, OverflowError) as error:
            raise WeightsError(f"{self.path} holds an impossible tensor ({str(error).splitlines()[0]})") from None


def read_tensorfile(path: str | os.PathLike[str], *, mapped: bool = False) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file.

    Args:
        path: the file.
        mapped: map it instead of reading it into memory; tensors that lie misaligned are copied all
            the same, see `zoo_core.weights.files.aligned`.

    Raises:
        OSError: when it cannot be read.
        WeightsError: for a file that safetensors' own reader would refuse: truncated, overlapping,
            of an unknown dtype.
    """
    path = Path(path)
    with path.open("rb") as file:
        layout = layout_of(file, path)
        if mapped:
            return layout.tensors(map_file(file))
        lead = layout._replace(start=0).best_shift()
        buffer = bytearray(lead + layout.size)
        file.seek(layout.start)
        if lead + file.readinto(memoryview(buffer)[lead:]) < len(buffer):
            raise WeightsError(f"{path} was truncated while it was read: {REMEDY}")
    return layout._replace(start=lead).tensors(buffer)


def layout_of(file: IO[bytes], path: Path) -> Layout:
    """Return the layout of an open safetensors file; `path` is its name.

    Raises:
        WeightsError: as `read_tensorfile`.
    """
    # The library opens by name. This name stays right if somebody replaces the file meanwhile.
    own = Path(f"/dev/fd/{file.fileno()}")
    entries = []
    position = 0
    try:
        with safe_open(own if own.exists() else path, framework="pt") as opened:
            # The library has checked that the tensors fill the data without a gap, so sizes say
            # where each one lies.
            for name in opened.offset_keys():
                part = opened.get_slice(name)
                shape, dtype = part.get_shape(), _DTYPES.get(part.get_dtype())
                if dtype is None:
                    raise WeightsError(f"{path} holds {name!r} of a dtype that torch lacks: {part.get_dtype()}")
                count = math.prod(shape)
                entries.append((name, dtype, shape, position, count))
                position += count * dtype.itemsize
    except SafetensorError as error:
        size = os.fstat(file.fileno()).st_size
        reason = str(error).splitlines()[0]
        raise WeightsError(
            f"{path} is truncated or damaged, {size:,} bytes that are no safetensors file ({reason}): {REMEDY}"
        ) from None
    file.seek(0)
    return Layout(path, 8 + int.from_bytes(file.read(8), "little"), entries)


def tensorfile_of(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """Return the content of a safetensors file with aligned data, which can be mapped as it is.

    ``safetensors.torch.save`` needs NumPy, which nothing else here does, and refuses tensors that
    share memory; here each is written by itself.

    Raises:
        WeightsError: for a dtype that the format does not have.
    """
    entries: list[Entry] = []
    parts: list[bytes] = []
    end = 0
    # Wide numbers first, as safetensors does it, so that each begins at a multiple of its size.
    for name, tensor in sorted(tensors.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])):
        if tensor.dtype not in _NAMES:
            raise WeightsError(f"{name} is of {tensor.dtype}, which safetensors does not have")
        on_cpu = tensor.detach().cpu().contiguous()
        parts.append(ctypes.string_at(on_cpu.data_ptr(), on_cpu.nbytes))
        entries.append((name, tensor.dtype, list(tensor.shape), end, tensor.numel()))
        end += on_cpu.nbytes
    return b"".join([_head_of(entries, metadata), *parts])


def _head_of(entries: list[Entry], metadata: Mapping[str, str] | None = None) -> bytes:
    """Return what is before the data, which begin at a multiple of `ALIGNMENT` bytes."""
    header: dict[str, object] = {"__metadata__": dict(metadata or {"format": "pt"})}
    for entry in entries:
        name, dtype, shape, begin, _ = entry
        header[name] = {"dtype": _NAMES[dtype], "shape": shape, "data_offsets": [begin, begin + _bytes(entry)]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def _bytes(entry: Entry) -> int:
    return entry[4] * entry[1].itemsize
