"""The configuration of a ResNet."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResNetConfig:
    """A residual network (https://arxiv.org/abs/1512.03385) and its published variations."""

    block: str | tuple[str, ...] = "bottleneck"
    """"basic" (two 3x3 convolutions) or "bottleneck" (1x1, 3x3, 1x1), or one name per stage."""
    layers: tuple[int, ...] = (3, 4, 6, 3)
    """Blocks in each of the four stages."""
    channels: tuple[int, ...] = (64, 128, 256, 512)
    """Planes of each stage; a bottleneck yields four times as many channels."""
    cardinality: int = 1
    """Groups of a bottleneck's 3x3 convolution (https://arxiv.org/abs/1611.05431)."""
    base_width: int = 64
    """Width of a bottleneck's 3x3 convolution per group and 64 planes (https://arxiv.org/abs/1605.07146)."""
    block_reduce_first: int = 1
    """The first convolution of a block is this many times narrower (https://arxiv.org/abs/1709.01507)."""

    stem_type: str = ""
    """"" (7x7 convolution), "deep" (three 3x3, https://arxiv.org/abs/1812.01187), "deep_tiered"."""
    stem_width: int = 64
    """Width of a deep stem's first convolutions; the stem yields twice as many channels."""
    replace_stem_pool: bool = False
    """A strided convolution in place of the stem's max pooling (https://arxiv.org/abs/2103.07579)."""
    down_kernel_size: int = 1
    """Kernel of the shortcut's convolution where the shape changes."""
    avg_down: bool = False
    """Subsample the shortcut by average pooling (https://arxiv.org/abs/1812.01187)."""

    act_layer: Any = "relu"
    """Activation: a name of `zoo_core.layers.get_act_layer`, or a class."""
    norm_layer: Any = "batchnorm2d"
    """Normalisation: a name of `zoo_core.layers.get_norm_layer`, or a class."""
    aa_layer: Any = None
    """Anti-aliasing for strides: "avg", "blur" (https://arxiv.org/abs/1904.11486), or a class."""
    attn_layer: Any = None
    """Attention at the end of every block: a name of `zoo_core.layers.get_attn`, or a class."""
    attn_args: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Keyword arguments of the attention layer."""
