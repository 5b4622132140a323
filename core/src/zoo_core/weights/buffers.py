"""A file as a buffer that tensors are views of: read into memory, or mapped without copying."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

Buffer = mmap.mmap | bytearray

ALIGNMENT = 16
"""Kernels round differently on tensors that start at other than a multiple of this many bytes: those are copied."""


def read_buffer(path: Path, *, mapped: bool) -> Buffer:
    """The file's bytes, private to this process: what is written to them does not reach the file.

    Mapped, pages are shared with every process that maps the file until something writes to them (MAP_PRIVATE).
    An empty file is an empty buffer.

    Raises:
        OSError: when it cannot be read.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        if mapped and size:
            return mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        buffer = bytearray(size)
        read = file.readinto(buffer)
        return buffer if read == size else buffer[:read]


def tensor_of(buffer: Buffer, offset: int, dtype: torch.dtype, shape: Sequence[int], count: int) -> Tensor:
    """The tensor of `count` numbers at `offset`: a view of the buffer, or a copy where it lies misaligned."""
    if not count:
        return torch.empty(shape, dtype=dtype)
    if offset % dtype.itemsize:
        raw = torch.frombuffer(buffer, dtype=torch.uint8, count=count * dtype.itemsize, offset=offset)
        return raw.clone().view(dtype).view(shape)
    tensor = torch.frombuffer(buffer, dtype=dtype, count=count, offset=offset).view(shape)
    return tensor.clone() if tensor.data_ptr() % ALIGNMENT else tensor
