"""Checkpoints of TinyNet 0.1 load into today's networks, whichever file or URL they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core import hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

RENAMED = {"conv_stem.": "stem.0.", "bn_stem.": "stem.1.", "classifier.": "fc."}
"""Prefixes of version 0.1, and their present forms."""


@hookimpl
def zoo_adapt_state_dict(state_dict: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor] | None:
    """Rename the tensors of an old checkpoint; return None for any other file or network."""
    from zoo_tinynet.model import TinyNet

    if not isinstance(model, TinyNet) or not any(key.startswith(tuple(RENAMED)) for key in state_dict):
        return None
    return {_renamed(key): tensor for key, tensor in state_dict.items()}


def _renamed(key: str) -> str:
    for old, new in RENAMED.items():
        if key.startswith(old):
            return new + key.removeprefix(old)
    return key
