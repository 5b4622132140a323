"""Recomputing concatenation, norm and activation, but no convolution, in the backward pass.

Memory-Efficient Implementation of DenseNets, https://arxiv.org/abs/1707.06990: in a dense block the
concatenations and their activated norms grow with the square of the depth, and are cheap to
compute; convolutions are neither.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint
from zoo_core.layers import BatchNormAct2d, is_hooked

if TYPE_CHECKING:
    from collections.abc import Iterator

_FROM_OUTPUT = (nn.ReLU, nn.LeakyReLU, nn.ELU)
"""Activations whose backward pass reads their output, not their input."""


def can_recompute(x: Tensor) -> bool:
    """Tell whether a computation from `x` has a backward pass: not while jit or fx traces."""
    tracing = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    return isinstance(x, Tensor) and torch.is_grad_enabled() and not tracing  # fx gives no tensor but a proxy


def cat_norm_conv(norm: nn.Module, conv: nn.Module, features: list[Tensor]) -> Tensor:
    """Return ``conv(norm(torch.cat(features, 1)))``, keeping only `features` for the gradient.

    Args:
        norm: a norm with its activation. Running statistics take part in the first run alone.
        conv: the convolution that follows; it does not run again.
        features: each (batch, channels_i, h, w).
    """
    if torch.compiler.is_compiling() or not _is_plain(norm):
        return _checkpointed(norm, conv, features)
    assert isinstance(norm, BatchNormAct2d)
    x: Tensor = _CatBatchNorm.apply(norm, norm.weight, norm.bias, *features)  # type: ignore[no-untyped-call]
    node: Any = x.grad_fn  # which is also the function's context, with what it saved
    if node is None:  # nothing before the convolution learns, so only its own input is kept
        return conv(norm.act(x))
    activated = x.data_ptr()

    def pack(tensor: Tensor) -> Any:
        return node if tensor.data_ptr() == activated else tensor

    def unpack(packed: Any) -> Tensor:
        return packed if isinstance(packed, Tensor) else _again(packed)[1]

    # The activation keeps its output and the convolution its input: both are the tensor that `x`
    # becomes.
    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        return conv(norm.act(x))


def _is_plain(norm: nn.Module) -> bool:
    """Tell whether the shortcut applies, which does not call `norm`.

    It must be batch norm by the batch's statistics, in full precision, without hooks, and with an
    activation that overwrites its output.
    """
    if not (isinstance(norm, BatchNormAct2d) and norm.training and isinstance(norm.drop, nn.Identity)):
        return False
    if norm.weight is None or is_hooked(norm, norm.drop):
        return False
    full = torch.finfo(norm.weight.dtype).bits >= 32  # the statistics are kept in the weight's precision
    return full and isinstance(norm.act, _FROM_OUTPUT) and norm.act.inplace


class _CatBatchNorm(torch.autograd.Function):
    """Concatenation and batch norm by the batch's statistics, which keeps inputs and statistics."""

    @staticmethod
    def forward(ctx: Any, norm: BatchNormAct2d, weight: Tensor, bias: Tensor, *features: Tensor) -> Tensor:
        x = _cat(features)
        if x.numel() == x.shape[1]:
            raise ValueError(f"Expected more than 1 value per channel when training, got input size {tuple(x.shape)}")
        running = (norm.running_mean, norm.running_var) if norm.track_running_stats else (None, None)
        momentum = norm.count_batch()
        out, mean, invstd = torch.native_batch_norm(x, weight, bias, *running, True, momentum, norm.eps)
        ctx.save_for_backward(weight, bias, mean, invstd, *features)
        ctx.act, ctx.eps, ctx.again = norm.act, norm.eps, None
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        weight, _, mean, invstd, *features = ctx.saved_tensors
        x, _ = _again(ctx)
        ctx.again = None
        grad_x, grad_weight, grad_bias = torch.ops.aten.native_batch_norm_backward(
            grad, x, weight, None, None, mean, invstd, True, ctx.eps, [True, True, True]
        )
        return None, grad_weight, grad_bias, *grad_x.split([feature.shape[1] for feature in features], 1)


def _again(ctx: Any) -> tuple[Tensor, Tensor]:
    """Return the concatenation and its activated norm, cached until the norm's backward pass."""
    if ctx.again is None:
        weight, bias, mean, invstd, *features = ctx.saved_tensors
        x = _cat(features)
        with torch.no_grad():
            # The statistics are known: normalise by them, which spares the two passes that measure
            # them.
            out, _, _ = torch.native_batch_norm(x, weight, bias, mean, invstd.pow(-2), False, 0.0, 0.0)
            ctx.again = x, ctx.act(out)
    return ctx.again


def _cat(features: tuple[Tensor, ...] | list[Tensor]) -> Tensor:
    return features[0] if len(features) == 1 else torch.cat(features, 1)


def _checkpointed(norm: nn.Module, conv: nn.Module, features: list[Tensor]) -> Tensor:
    """Do the same for any norm, a little slower: PyTorch's checkpoint stops at the convolution."""

    def run(*xs: Tensor) -> Tensor:
        return conv(norm(torch.cat(xs, 1)))

    if torch.compiler.is_compiling():  # it functionalises the statistics' update, and wants no context
        return checkpoint(run, *features, use_reentrant=False)

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _kept_buffers(norm)

    return checkpoint(run, *features, use_reentrant=False, context_fn=contexts)


@contextmanager
def _kept_buffers(norm: nn.Module) -> Iterator[None]:
    """Undo the second run's changes of the running statistics."""
    kept = [(buffer, buffer.clone()) for buffer in norm.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in kept:
                buffer.copy_(value)
