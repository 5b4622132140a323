"""The configuration of a cross stage partial network or a Darknet."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from zoo_core import OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, kw_only=True)
class StageConfig:
    """One stage. Ratios are shares of `out_chs`, rounded to whole channels."""

    depth: int
    """Blocks."""
    out_chs: int
    """Channels of the stage's output."""
    stride: int = 2
    """By how much the stage subsamples: 1 or 2."""
    groups: int = 1
    """Groups of the 3x3 convolutions."""
    stage_type: str = "csp"
    """"csp", "cs3" (see `zoo_cspnet.stages`) or "dark", which is no cross stage."""
    block_type: str = "bottle"
    """"bottle", "dark" or "edge", see `zoo_cspnet.blocks`."""
    expand_ratio: float = 1.0
    """Channels of the two halves together that a cross stage splits its input into."""
    block_ratio: float = 1.0
    """Channels of a block's output."""
    bottle_ratio: float = 1.0
    """Channels inside a block, as a share of the block's output."""
    avg_down: bool = False
    """Subsample by average pooling and a 1x1 convolution, not by a strided 3x3 convolution."""
    down_growth: bool = False
    """Reach `out_chs` where a cross stage subsamples, not only after."""
    cross_linear: bool = False
    """No activation before a csp stage splits."""
    attn_layer: Any = None
    """Attention inside the blocks: a name of `zoo_core.layers.get_attn`, or a class."""


_PER_STAGE = tuple(field.name for field in dataclasses.fields(StageConfig))


@dataclasses.dataclass(frozen=True, kw_only=True)
class CspNetConfig:
    """A cross stage partial network (https://arxiv.org/abs/1911.11929), or a Darknet.

    The fields that `StageConfig` has too are given once for all stages, or as a tuple with one
    value per stage.
    """

    stem_chs: tuple[int, ...] = (32,)
    """Channels of each convolution of the stem."""
    stem_kernel_size: int = 3
    """Kernel of each."""
    stem_stride: int = 1
    """Stride of the first."""
    stem_padding: int | None = None
    """Pixels on each side of the image; None for as many as keep its size."""
    stem_pool: bool = False
    """End the stem by max pooling with stride 2."""

    depth: tuple[int, ...]
    out_chs: tuple[int, ...]
    stride: int | tuple[int, ...] = 2
    groups: int | tuple[int, ...] = 1
    stage_type: str | tuple[str, ...] = "csp"
    block_type: str | tuple[str, ...] = "bottle"
    expand_ratio: float | tuple[float, ...] = 1.0
    block_ratio: float | tuple[float, ...] = 1.0
    bottle_ratio: float | tuple[float, ...] = 1.0
    avg_down: bool | tuple[bool, ...] = False
    down_growth: bool | tuple[bool, ...] = False
    cross_linear: bool | tuple[bool, ...] = False
    attn_layer: Any = None
    attn_args: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Keyword arguments of the attention layers."""

    act_layer: Any = "leaky_relu"
    """Activation: a name of `get_act_layer`, or a class. The leaky ReLU's slope is 0.01."""
    norm_layer: Any = "batchnorm2d"
    """Normalisation: a name of `zoo_core.layers.get_norm_act_layer`, or a class that it takes."""
    aa_layer: Any = None
    """Anti-aliasing for strides: "avg", "blur" (https://arxiv.org/abs/1904.11486), or a class."""

    def stages(self) -> list[StageConfig]:
        """Return the stages, each with its own value of every field.

        Raises:
            OptionError: for a tuple that has not as many values as there are stages.
        """
        count = len(self.depth)
        columns: dict[str, tuple[Any, ...]] = {}
        for name in _PER_STAGE:
            value = getattr(self, name)
            columns[name] = value if isinstance(value, tuple) else (value,) * count
            if len(columns[name]) != count:
                raise OptionError(f"{name} {value!r}: depth has {count} stages, this {len(columns[name])}")
        return [StageConfig(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]
