"""Names of state dicts that were saved from inside a wrapper, whose own name leads every key."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn

WRAPPER_PREFIXES = ("module.", "_orig_mod.")
"""Prefixes of DistributedDataParallel and torch.compile."""
TRAINING_PREFIXES = ("model.", "net.")
"""Names that training loops mostly give the model."""


def unwrapped(state_dict: Mapping[str, Tensor], prefixes: Sequence[str] = WRAPPER_PREFIXES) -> dict[str, Tensor]:
    """Return the state dict without each prefix that leads all its names, in any order."""
    names = dict(state_dict)
    while prefix := next((p for p in prefixes if names and all(name.startswith(p) for name in names)), ""):
        names = {name.removeprefix(prefix): tensor for name, tensor in names.items()}
    return names


def unwrapped_for(model: nn.Module, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state dict without the prefixes of wrappers and training loops."""
    children = {f"{name}." for name, _ in model.named_children()}
    return unwrapped(state_dict, [p for p in (*WRAPPER_PREFIXES, *TRAINING_PREFIXES) if p not in children])
