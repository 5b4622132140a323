"""State dicts that were saved from inside a wrapper, whose name leads every key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.hooks import hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

TRAINING_PREFIXES = ("model.", "net.")
"""What training loops mostly call the model."""


@hookimpl(trylast=True)
def zoo_adapt_state_dict(state_dict: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor] | None:
    """Take wrappers' names off, outermost first; None where there are none, or the model itself has such a child."""
    from zoo_core.weights.loading.assign import WRAPPER_PREFIXES, unwrapped  # with torch, which whoever has tensors has

    children = {f"{name}." for name, _ in model.named_children()}
    prefixes = (*WRAPPER_PREFIXES, *TRAINING_PREFIXES)
    adapted = unwrapped(state_dict, [prefix for prefix in prefixes if prefix not in children])
    return None if adapted.keys() == state_dict.keys() else adapted
