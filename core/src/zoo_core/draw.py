"""Drawing weights: what takes most of the time of creating a network that loads none."""

from __future__ import annotations

import math
from typing import Literal

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
    # Looked up where they are: a module's own lookup comes third, after two that fail.
    parameters, buffers = norm._parameters, norm._buffers
    with torch.no_grad():
        for one in (parameters["weight"], buffers["running_var"]):
            if one is not None:
                one.fill_(1)
        for zero in (parameters["bias"], buffers["running_mean"], buffers["num_batches_tracked"]):
            if zero is not None:
                zero.zero_()


def draw_he_(weight: Tensor, fan: Literal["fan_in", "fan_out"]) -> Tensor:
    """Fill the weight of a convolution in place from N(0, 2 / fan), as He did (https://arxiv.org/abs/1502.01852).

    Args:
        weight: (channels out, channels in per group, height, width).
        fan: what to keep the variance of: of the forward pass (fan_in), or of the backward pass (fan_out, which counts
            the channels of all groups, as ``nn.init`` does).
    """
    outs, ins, *kernel = weight.shape
    size = (ins if fan == "fan_in" else outs) * math.prod(kernel)
    with torch.no_grad():
        return weight.normal_(0.0, math.sqrt(2 / size)) if weight.numel() else weight


def draw_as_torch(module: nn.Conv2d | nn.Linear) -> None:
    """Draw a layer's weight and bias as its own ``reset_parameters`` does: uniform, up to 1 / sqrt(fan-in)."""
    fan_in = module.weight[0].numel()
    draw_uniform_(module.weight, fan_in**-0.5)
    if module.bias is not None:
        draw_uniform_(module.bias, fan_in**-0.5)
