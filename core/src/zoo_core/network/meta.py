"""Networks on the meta device: every shape, and no memory."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Iterator

Kept = list[tuple[dict[str, Any], str, Tensor]]
"""For each tensor: the dict that holds it, its name there, the tensor."""


def to_meta(model: nn.Module) -> Kept:
    """Replace each tensor of the model by one on the meta device; a shared one stays shared.

    Unlike ``model.to("meta")`` it keeps tied tensors tied, reads no values, and replaces plain
    attributes, too.

    Returns:
        The tensors that were replaced.
    """
    replaced: Kept = []
    twins: dict[Tensor, Tensor] = {}
    for module in model.modules():
        holders: tuple[dict[str, Any], ...] = module._parameters, module._buffers, vars(module)
        for holder in holders:
            for name, tensor in [item for item in holder.items() if isinstance(item[1], Tensor)]:
                if tensor not in twins:
                    twins[tensor] = _twin(tensor)
                replaced.append((holder, name, tensor))
                holder[name] = twins[tensor]
    return replaced


@contextmanager
def on_meta(model: nn.Module) -> Iterator[None]:
    """A context in which the model is on the meta device: to run it for its shapes alone."""
    replaced = to_meta(model)
    try:
        yield
    finally:
        for holder, name, tensor in replaced:
            holder[name] = tensor


def _twin(tensor: Tensor) -> Tensor:
    if nn.parameter.is_lazy(tensor):  # which has no shape yet
        make: Any = type(tensor)
        return make(tensor.requires_grad, device="meta", dtype=tensor.dtype)
    new = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
    if isinstance(tensor, nn.Parameter):
        twin = Tensor._make_subclass(type(tensor), new, tensor.requires_grad)
        twin.__dict__.update(tensor.__dict__)
        return twin
    return new.requires_grad_(tensor.requires_grad)
