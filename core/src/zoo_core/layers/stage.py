"""A stage: blocks one after the other, with gradient checkpointing (https://arxiv.org/abs/1604.06174)."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.module import _has_any_global_hook
from torch.utils.checkpoint import checkpoint


class Stage(nn.Sequential):
    """Blocks in order. `grad_checkpointing` recomputes activations in the backward pass."""

    def __init__(self, *blocks: nn.Module) -> None:
        super().__init__(*blocks)
        self.grad_checkpointing = False

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) through every block."""
        if not torch.jit.is_scripting() and self.grad_checkpointing:  # type: ignore[attr-defined]
            return self._forward_checkpointed(x)
        for block in self:
            x = block(x)
        return x

    @torch.jit.unused
    def _forward_checkpointed(self, x: Tensor) -> Tensor:
        for block in self:
            x = checkpoint_block(block, x)
        return x


@torch.jit.ignore
def checkpoint_block(block: nn.Module, x: Tensor, run: Callable[[Tensor], Any] | None = None) -> Any:
    """Return ``block(x)``, keeping only `x` for the backward pass.

    Only the first run updates batch-norm statistics. `run`, where given, replaces the block's own
    call: another method of it.
    """
    run = block if run is None else run

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _frozen_statistics(block)

    if torch.compiler.is_compiling():  # the compiler functionalises the statistics' update, and wants no context
        return checkpoint(run, x, use_reentrant=False)
    return checkpoint(run, x, use_reentrant=False, context_fn=contexts)


@contextmanager
def _frozen_statistics(block: nn.Module) -> Iterator[None]:
    """Normalise by the batch without updating the running statistics a second time.

    They are still passed on, at momentum 0: `checkpoint` demands that both runs save the same
    tensors.
    """
    norms = [m for m in block.modules() if isinstance(m, _BatchNorm) and m.training]
    saved = [(m, m.momentum, m.num_batches_tracked) for m in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, momentum, count in saved:
            norm.momentum, norm.num_batches_tracked = momentum, count


def is_hooked(*modules: nn.Module) -> bool:
    """Tell whether calling one of `modules` would run a hook, a global one included.

    A shortcut around a module's call asks this first.
    """
    return bool(_has_any_global_hook()) or any(  # type: ignore[no-untyped-call]
        module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks
        for module in modules
    )
