"""Draw from the uniform distribution, as PyTorch's layers start, faster than PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor

_ALL_BITS = -(2**63)  # from here without an upper bound, `random_` draws every bit of an int64


def draw_uniform_(tensor: Tensor, low: float, high: float, *, generator: torch.Generator | None = None) -> Tensor:
    """Fill `tensor` in place from the uniform distribution on [low, high].

    A generator yields 64 bits about as fast as 32, of which ``Tensor.uniform_`` takes 24 for each
    float32. Taking 32 of the 64 needs two thirds of the time, and draws from more values. Seeded as
    all of torch's draws are.
    """
    pairs_up = tensor.dtype == torch.float32 and tensor.is_contiguous() and tensor.storage_offset() % 2 == 0
    if not (pairs_up and tensor.device.type == "cpu" and low == -high):
        return tensor.uniform_(low, high, generator=generator)
    with torch.no_grad():
        flat = tensor.view(-1)
        pairs = flat[: flat.numel() // 2 * 2]
        pairs.view(torch.int64).random_(_ALL_BITS, None, generator=generator)
        pairs.copy_(pairs.view(torch.int32)).mul_(high * 2.0**-31)  # in its own place, number by number
        flat[pairs.numel() :].uniform_(low, high, generator=generator)
    return tensor
