"""Plain tensors of a state dict: numbers in memory, without gradients, which a network can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from zoo_core.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping


def plain_tensors(state_dict: Mapping[Any, Any], source: str) -> dict[str, Tensor]:
    """Return the state dict with tensors that have no gradient, their negation or conjugation done.

    Args:
        state_dict: anything by name.
        source: the weights, for the message.

    Raises:
        WeightsError: naming the first entry that is no plain tensor, or whose name is no string.
    """
    for key in state_dict:
        if not isinstance(key, str):
            raise WeightsError(f"{source} have an entry that is named {key!r:.80}; names are strings")
    return {key: _plain(key, value, source) for key, value in state_dict.items()}


def _plain(key: str, value: Any, source: str) -> Tensor:
    kind = type(value)
    if kind is nn.Parameter or (kind is Tensor and value.requires_grad):
        kind, value = Tensor, value.detach()
    if (
        kind is Tensor
        and value.layout is torch.strided
        and not (value.is_quantized or value.is_meta or value.is_nested)
    ):
        return value.resolve_conj().resolve_neg() if value.is_neg() or value.is_conj() else value
    raise WeightsError(
        f"{source} have {key!r}, which is {_kind_of(value)}; expected a plain tensor: "
        "convert it (to_dense(), dequantize(), to_padded_tensor(0.0)) and save it again"
    )


def _kind_of(value: Any) -> str:
    """Return what a value is, in words."""
    if not isinstance(value, Tensor):
        return f"of type {type(value).__name__}"
    if value.is_nested:
        return "a nested tensor"
    if value.layout is not torch.strided:
        return f"a sparse tensor ({value.layout})"
    if value.is_quantized:
        return f"a quantised tensor ({value.dtype})"
    return "a meta tensor, without numbers" if value.is_meta else f"a tensor of the class {type(value).__name__}"
