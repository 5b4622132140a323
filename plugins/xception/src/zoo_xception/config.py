"""The configuration of an aligned Xception."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class XceptionConfig:
    """An aligned Xception, as in DeepLabv3+ (https://arxiv.org/abs/1802.02611).

    Every block is three separable convolutions. Strides replace the original's max pooling.
    """

    stem: tuple[int, int] = (32, 64)
    """Channels of the two 3x3 convolutions of the stem, the first of which has stride 2."""
    entry: tuple[tuple[int, int], ...] = ((128, 2), (256, 2), (728, 2))
    """Channels and stride of each block of the entry flow."""
    middle: int = 8
    """Blocks of the middle flow, which keep the shape."""
    exit: tuple[tuple[int, int, int], tuple[int, int, int]] = ((728, 1024, 1024), (1536, 1536, 2048))
    """Channels of the exit flow's two blocks: one with stride 2, one without a shortcut."""
    preact: bool = False
    """Norm and activation before convolutions (https://arxiv.org/abs/1603.05027), not after."""

    act_layer: Any = "relu"
    """Activation: a name of `zoo_core.layers.get_act_layer`, or a class."""
    norm_layer: Any = "batchnorm2d"
    """Normalisation: a name of `zoo_core.layers.get_norm_act_layer`, or a class that it takes."""
    norm_eps: float | None = 1e-3
    """Epsilon of a norm that is given by name; None for the layer's default."""
