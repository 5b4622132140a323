"""Drawing weights: what takes most of the time of creating a network that loads none."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_ALL_BITS = -(2**63)  # from here without an upper bound, `random_` draws every bit of an int64


def draw_uniform_(tensor: Tensor, bound: float) -> Tensor:
    """Fill `tensor` in place from the uniform distribution on [-bound, bound].

    A generator yields 64 bits about as fast as 32, of which ``Tensor.uniform_`` takes 24 for each float32. Taking 32 of
    the 64 needs two thirds of the time, and draws from more values. Seeded as all of torch's draws are.
    """
    pairs_up = tensor.dtype == torch.float32 and tensor.is_contiguous() and tensor.storage_offset() % 2 == 0
    if not (pairs_up and tensor.device.type == "cpu"):
        return tensor.uniform_(-bound, bound)
    with torch.no_grad():
        flat = tensor.view(-1)
        pairs = flat[: flat.numel() // 2 * 2]
        pairs.view(torch.int64).random_(_ALL_BITS, None)
        pairs.copy_(pairs.view(torch.int32)).mul_(bound * 2.0**-31)  # in its own place, number by number
        flat[pairs.numel() :].uniform_(-bound, bound)
    return tensor


def fill_batch_norm(norm: nn.BatchNorm2d) -> None:
    """Let a batch norm be the identity that has seen nothing, as its own ``reset_parameters`` does, in fewer calls."""
    with torch.no_grad():
        for tensor, value in (
            (norm.weight, 1),
            (norm.bias, 0),
            (norm.running_mean, 0),
            (norm.running_var, 1),
            (norm.num_batches_tracked, 0),
        ):
            if tensor is not None:
                tensor.fill_(value)


def draw_as_torch(module: nn.Conv2d | nn.Linear) -> None:
    """Draw a layer's weight and bias as its own ``reset_parameters`` does: uniform, up to 1 / sqrt(fan-in)."""
    fan_in = module.weight[0].numel()
    draw_uniform_(module.weight, fan_in**-0.5)
    if module.bias is not None:
        draw_uniform_(module.bias, fan_in**-0.5)
