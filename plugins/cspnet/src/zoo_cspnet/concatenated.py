"""A convolution of concatenated maps that keeps the maps for the backward pass, not the copy.

Where the maps are kept anyway, by the in-place activated norms that yield them
(https://arxiv.org/abs/1712.02616), this saves their copy; concatenating them once more costs a
small part of the convolution.
"""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def conv_of_concatenation(conv: nn.Conv2d, maps: list[Tensor]) -> Tensor:
    """Return ``conv(torch.cat(maps, dim=1))``, for a convolution without bias.

    Args:
        conv: any 2d convolution with zero padding and without bias.
        maps: each (batch, channels, height, width); their channels add up to those that `conv`
            takes.

    Returns:
        (batch, out_channels, height, width).
    """
    # Compilers and tracers see through torch's own operations alone.
    if torch.compiler.is_compiling() or torch.jit.is_tracing():  # type: ignore[attr-defined,no-untyped-call]
        return conv(torch.cat(maps, dim=1))
    output: Tensor = _ConvOfConcatenation.apply(  # type: ignore[no-untyped-call]
        conv.stride, conv.padding, conv.dilation, conv.groups, conv.weight, *maps
    )
    return output


class _ConvOfConcatenation(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, stride: Any, padding: Any, dilation: Any, groups: int, weight: Tensor, *maps: Tensor
    ) -> Tensor:
        ctx.save_for_backward(weight, *maps)
        ctx.options = stride, padding, dilation, groups
        return F.conv2d(torch.cat(maps, dim=1), weight, None, stride, padding, dilation, groups)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        weight, *maps = ctx.saved_tensors
        stride, padding, dilation, groups = ctx.options
        # Under autocast the forward ran in another precision than its tensors have; the backward
        # pass does too.
        whole = torch.cat(maps, dim=1).to(grad.dtype)
        needs = [any(ctx.needs_input_grad[5:]), ctx.needs_input_grad[4], False]
        grad_whole, grad_weight, _ = torch.ops.aten.convolution_backward(
            grad, whole, weight.to(grad.dtype), None, stride, padding, dilation, False, [0, 0], groups, needs
        )
        parts: list[Tensor | None] = [None] * len(maps)
        if grad_whole is not None:
            split = grad_whole.split([one.shape[1] for one in maps], dim=1)
            parts = [part.to(one.dtype) for part, one in zip(split, maps, strict=True)]
        return None, None, None, None, None if grad_weight is None else grad_weight.to(weight.dtype), *parts
