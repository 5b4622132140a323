"""A file's bytes as a buffer, and tensors that are views of it."""

from __future__ import annotations

import mmap
import os
from typing import IO, TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

Buffer = mmap.mmap | bytearray

ALIGNMENT = 16
"""Bytes. Kernels round differently on tensors that start at no multiple of it: those are copied."""


def map_file(file: IO[bytes]) -> Buffer:
    """Return the open file's bytes, private to this process: writing never changes the file.

    Pages are shared with every process that maps the file until something writes to them
    (MAP_PRIVATE).

    Raises:
        OSError: when it cannot be read.
    """
    if not os.fstat(file.fileno()).st_size:  # which cannot be mapped
        return bytearray()
    return mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)


def tensor_of(buffer: Buffer, offset: int, dtype: torch.dtype, shape: Sequence[int], count: int) -> Tensor:
    """Return the tensor of `count` numbers at `offset`: a view, or a copy if it lies misaligned."""
    if not count:
        return torch.empty(shape, dtype=dtype)
    if offset % dtype.itemsize:
        raw = torch.frombuffer(buffer, dtype=torch.uint8, count=count * dtype.itemsize, offset=offset)
        return raw.clone().view(dtype).view(shape)
    tensor = torch.frombuffer(buffer, dtype=dtype, count=count, offset=offset)
    if len(shape) != 1:
        tensor = tensor.view(shape)
    return tensor.clone() if tensor.data_ptr() % ALIGNMENT else tensor
