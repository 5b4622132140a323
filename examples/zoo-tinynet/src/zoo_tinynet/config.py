"""The configuration of a TinyNet."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class TinyNetConfig:
    """A stem and some stages; every field is an option of `create_model`."""

    width: int = 8
    """Channels of the stem; every stage has twice as many as the one before. Even."""
    depths: tuple[int, ...] = (1, 2, 2)
    """Blocks of each stage."""
    expansion: int = 2
    """Width inside a block over its own."""
    dilation: int = 2
    """Of the second half of a block's depthwise filters."""
    act_layer: str = "hardswish"
    """Activation: a name of `zoo_core.layers.get_act_layer`."""
