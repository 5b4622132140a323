"""The configuration of a DenseNet."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class DenseNetConfig:
    """A densely connected network (https://arxiv.org/abs/1608.06993), by default densenet121."""

    growth_rate: int = 32
    """Channels that each layer adds, "k" in the paper. The stem has twice as many."""
    block_config: tuple[int, ...] = (6, 12, 24, 16)
    """Layers in each dense block; a transition between blocks halves channels and resolution."""
    bn_size: int = 4
    """Width of a layer's 1x1 bottleneck, as a multiple of the growth rate."""
    stem_type: str = ""
    """``""``: one 7x7 convolution; ``"deep"``: three 3x3 ones, the "d" in a name (https://arxiv.org/abs/1812.01187);
    ``"deep_tiered"``, ``"deep_tiered_narrow"``: of growing width."""
    act_layer: Any = "relu"
    """Name or class of the activation, see `zoo_core.layers.activation`."""
    norm_layer: Any = "batchnorm2d"
    """Name or class of the norm, see `zoo_core.layers.get_norm_act_layer`."""
    aa_layer: Any = None
    """Anti-aliasing of the stem: "avg", "blur" (https://arxiv.org/abs/1904.11486), a class."""
    aa_stem_only: bool = True
    """False: `aa_layer` also replaces the average pool of the transitions."""
