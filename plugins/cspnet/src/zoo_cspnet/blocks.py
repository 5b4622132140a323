"""The residual blocks: (batch, channels, h, w) to the same shape.

Each is built from its channels, and those in its middle.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn
from zoo_core.layers import ActLayer, ConvNormAct, DropPath, NormLayer, create_act, create_attn, get_attn

from zoo_cspnet.config import CspNetConfig, StageConfig


@dataclass(frozen=True)
class BlockStyle:
    """Options that the blocks of one stage share.

    Attributes:
        norm_layer: normalises, by name or class.
        act_layer: activates, by name or class.
        attn: builds the attention for a number of channels; None for a stage without attention.
        groups: of the 3x3 convolutions.
        dilation: of the 3x3 convolutions.
    """

    norm_layer: NormLayer
    act_layer: ActLayer
    attn: Callable[[int], nn.Module] | None
    groups: int
    dilation: int

    @classmethod
    def of(cls, cfg: CspNetConfig, stage: StageConfig, dilation: int) -> "BlockStyle":
        """Return the style of a network's and a stage's configuration."""
        layer, attn = get_attn(stage.attn_layer), None
        if layer is not None:
            args: dict[str, Any] = dict(cfg.attn_args)
            if "act_layer" in inspect.signature(layer).parameters:
                args.setdefault("act_layer", cfg.act_layer)
            attn = partial(create_attn, stage.attn_layer, **args)
        return cls(cfg.norm_layer, cfg.act_layer, attn, stage.groups, dilation)

    def conv(self, in_chs: int, out_chs: int, kernel_size: int, **options: Any) -> ConvNormAct:
        """Make a convolution with norm and activation; `options` are those of `ConvNormAct`."""
        options.update(norm_layer=self.norm_layer, act_layer=self.act_layer)
        return ConvNormAct(in_chs, out_chs, kernel_size, **options)

    def attend(self, channels: int) -> nn.Module:
        """Make the attention for a number of channels; the identity where there is none."""
        return nn.Identity() if self.attn is None else self.attn(channels)


class BottleneckBlock(nn.Module):
    """1x1, 3x3 and 1x1 convolution, the activation after the sum (https://arxiv.org/abs/1512.03385)."""

    def __init__(self, channels: int, middle: int, style: BlockStyle, drop_path: float = 0.0) -> None:
        super().__init__()
        self.conv1 = style.conv(channels, middle, 1)
        self.conv2 = style.conv(middle, middle, 3, dilation=style.dilation, groups=style.groups)
        self.attn2 = style.attend(middle)
        self.conv3 = style.conv(middle, channels, 1, apply_act=False)
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()
        self.act3 = create_act(style.act_layer, inplace=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, h, w) to the same."""
        residual = self.conv3(self.attn2(self.conv2(self.conv1(x))))
        out: Tensor = self.act3(self.drop_path(residual) + x)
        return out

    def zero_init_last(self) -> None:
        """Let the block start as the identity, except for its activation."""
        zero_init_norm(self.conv3)


class DarkBlock(nn.Module):
    """1x1 and 3x3 convolution, as in Darknet (https://arxiv.org/abs/1804.02767)."""

    def __init__(self, channels: int, middle: int, style: BlockStyle, drop_path: float = 0.0) -> None:
        super().__init__()
        self.conv1 = style.conv(channels, middle, 1)
        self.attn = style.attend(middle)
        self.conv2 = style.conv(middle, channels, 3, dilation=style.dilation, groups=style.groups)
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, h, w) to the same."""
        out: Tensor = self.drop_path(self.conv2(self.attn(self.conv1(x)))) + x
        return out

    def zero_init_last(self) -> None:
        """Let the block start as the identity."""
        zero_init_norm(self.conv2)


class EdgeBlock(nn.Module):
    """3x3 and 1x1 convolution: a fused inverted bottleneck (https://arxiv.org/abs/2003.02838)."""

    def __init__(self, channels: int, middle: int, style: BlockStyle, drop_path: float = 0.0) -> None:
        super().__init__()
        self.conv1 = style.conv(channels, middle, 3, dilation=style.dilation, groups=style.groups)
        self.attn = style.attend(middle)
        self.conv2 = style.conv(middle, channels, 1)
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, h, w) to the same."""
        out: Tensor = self.drop_path(self.conv2(self.attn(self.conv1(x)))) + x
        return out

    def zero_init_last(self) -> None:
        """Let the block start as the identity."""
        zero_init_norm(self.conv2)


def zero_init_norm(conv: ConvNormAct) -> None:
    """Let a convolution and its norm yield the norm's bias alone, which is 0."""
    if isinstance(conv.bn.weight, Tensor):
        nn.init.zeros_(conv.bn.weight)


BLOCKS: dict[str, type[BottleneckBlock | DarkBlock | EdgeBlock]] = {
    "bottle": BottleneckBlock,
    "dark": DarkBlock,
    "edge": EdgeBlock,
}
