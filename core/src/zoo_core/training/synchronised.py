"""Batch norm by the statistics of a whole process group's batch."""

from typing import Any, TypeVar

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from zoo_core.errors import OptionError
from zoo_core.layers.norm import BatchNormAct2d
from zoo_core.training.frozen import Frozen

M = TypeVar("M", bound=nn.Module)


class SyncBatchNormAct(nn.SyncBatchNorm):
    """`BatchNormAct2d` by the statistics of a process group's batch."""

    drop: nn.Module
    act: nn.Module

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to the same."""
        out: Tensor = self.act(self.drop(super().forward(x)))
        return out


_BY_METHODS: dict[Any, type[nn.SyncBatchNorm]] = {
    (_BatchNorm.forward, None): nn.SyncBatchNorm,
    (BatchNormAct2d.forward, BatchNormAct2d.normalise): SyncBatchNormAct,
}


def convert_sync_batchnorm(model: M, process_group: Any = None) -> M:
    """Synchronise every batch norm of `model`, in place; frozen ones stay as they are.

    `torch.nn.SyncBatchNorm.convert_sync_batchnorm` takes a `BatchNormAct2d` for a plain batch norm
    and silently drops its activation; this keeps it, and every hook.

    Args:
        model: any module.
        process_group: whose batch counts; None for all processes.

    Returns:
        `model`.

    Raises:
        OptionError: for a batch norm with a forward of its own, such as `InplaceAbn`, which has no
            synchronised form.
    """
    found: list[tuple[Any, type[nn.SyncBatchNorm]]] = []
    for name, norm in model.named_modules():
        if not isinstance(norm, _BatchNorm) or isinstance(norm, nn.SyncBatchNorm | Frozen):
            continue
        kind = _BY_METHODS.get((type(norm).forward, getattr(type(norm), "normalise", None)))
        if kind is None:
            raise OptionError(f"batch norm {name!r}, of {type(norm).__name__}, has no synchronised form")
        found.append((norm, kind))
    for norm, kind in found:  # only now: an error leaves `model` as it was
        norm.__class__ = kind
        norm.process_group = process_group
    return model
