"""oneDNN's operators for a TorchScript trace, which cannot hold their empty list of numbers.

TorchScript reads this source, and wants annotations that are no strings.
"""

import torch
from torch import Tensor


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    padding: list[int],
    stride: list[int],
    dilation: list[int],
    groups: int,
    activation: str,
    algorithm: str,
) -> Tensor:
    """Return a convolution and its activation."""
    found: Tensor = torch.ops.mkldnn._convolution_pointwise(
        x, weight, bias, padding, stride, dilation, groups, activation, [], algorithm
    )
    return found


def add(
    x: Tensor,
    other: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    padding: list[int],
    stride: list[int],
    dilation: list[int],
    groups: int,
    activation: str | None,
) -> Tensor:
    """Return a convolution plus `other`, activated."""
    found: Tensor = torch.ops.mkldnn._convolution_pointwise(
        x, other, weight, bias, padding, stride, dilation, groups, "add", None, activation, [], None
    )
    return found


def add_to(
    other: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    padding: list[int],
    stride: list[int],
    dilation: list[int],
    groups: int,
    activation: str | None,
) -> Tensor:
    """Add a convolution to `other` in place, activate that and return it."""
    found: Tensor = torch.ops.mkldnn._convolution_pointwise_(
        other, x, weight, bias, padding, stride, dilation, groups, "add", None, activation, [], None
    )
    return found
