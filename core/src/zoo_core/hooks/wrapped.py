"""State dicts that were saved from inside a wrapper, whose name leads every key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.hooks import hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

PREFIXES = ("module.", "_orig_mod.", "model.", "net.")
"""Of `DistributedDataParallel`, of `torch.compile`, and what training loops mostly call the model."""


@hookimpl(trylast=True)
def zoo_adapt_state_dict(state_dict: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor] | None:
    """Take wrappers' names off, outermost first; None where there are none, or the model itself has such a child."""
    children = tuple(f"{name}." for name, _ in model.named_children())
    adapted: dict[str, Tensor] = dict(state_dict)
    while prefix := next(
        (p for p in PREFIXES if p not in children and adapted and all(k.startswith(p) for k in adapted)), ""
    ):
        adapted = {key.removeprefix(prefix): tensor for key, tensor in adapted.items()}
    return None if adapted.keys() == state_dict.keys() else adapted
