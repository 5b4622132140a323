"""The residual blocks: (batch, channels, h, w) to the same shape."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from zoo_core.blueprint import repeatable
from zoo_core.layers import DropPath, create_act, get_attn
from zoo_core.layers.conv_norm_act import ConvNormAct
from zoo_core.layers.plain import identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo_cspnet.config import CspNetConfig, StageConfig


class BlockStyle:
    """What the blocks of one stage have in common, made from the configurations of network and stage.

    Attributes:
        conv: builds convolution, norm and activation.
        act: builds an activation.
        attn: builds what attends to a number of channels; the identity where the stage has no attention.
        groups: of the 3x3 convolutions.
        bottle_ratio: channels inside a block, as a share of its own.
        dilation: of the 3x3 convolutions.
    """

    def __init__(self, cfg: CspNetConfig, stage: StageConfig, dilation: int) -> None:
        self.conv = partial(repeatable(ConvNormAct), norm_layer=cfg.norm_layer, act_layer=cfg.act_layer)
        self.act = partial(create_act, cfg.act_layer, inplace=False)
        self.attn: Callable[[int], nn.Module] = lambda channels: identity()
        attn_layer = get_attn(stage.attn_layer)
        if attn_layer is not None:
            args: dict[str, Any] = dict(cfg.attn_args)
            if "act_layer" in inspect.signature(attn_layer).parameters:
                args.setdefault("act_layer", cfg.act_layer)
            self.attn = partial(attn_layer, **args)
        self.groups = stage.groups
        self.bottle_ratio = stage.bottle_ratio
        self.dilation = dilation


class BottleneckBlock(nn.Module):
    """1x1, 3x3 and 1x1 convolution, the activation after the sum (https://arxiv.org/abs/1512.03385)."""

    def __init__(self, channels: int, style: BlockStyle, drop_path: float = 0.0) -> None:
        super().__init__()
        middle = round(channels * style.bottle_ratio)
        self.conv1 = style.conv(channels, middle, 1)
        self.conv2 = style.conv(middle, middle, 3, dilation=style.dilation, groups=style.groups)
        self.attn2 = style.attn(middle)
        self.conv3 = style.conv(middle, channels, 1, apply_act=False)
        self.drop_path = DropPath(drop_path) if drop_path else identity()
        self.act3 = style.act()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, h, w) to the same."""
        residual = self.conv3(self.attn2(self.conv2(self.conv1(x))))
        out: Tensor = self.act3(self.drop_path(residual) + x)
        return out

    def zero_init_last(self) -> None:
        """Let the block start as the identity, all but for its activation."""
        zero_init_norm(self.conv3)


class DarkBlock(nn.Module):
    """1x1 and 3x3 convolution, as in Darknet (https://arxiv.org/abs/1804.02767)."""

    def __init__(self, channels: int, style: BlockStyle, drop_path: float = 0.0) -> None:
        super().__init__()
        middle = round(channels * style.bottle_ratio)
        self.conv1 = style.conv(channels, middle, 1)
        self.attn = style.attn(middle)
        self.conv2 = style.conv(middle, channels, 3, dilation=style.dilation, groups=style.groups)
        self.drop_path = DropPath(drop_path) if drop_path else identity()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, h, w) to the same."""
        out: Tensor = self.drop_path(self.conv2(self.attn(self.conv1(x)))) + x
        return out

    def zero_init_last(self) -> None:
        """Let the block start as the identity."""
        zero_init_norm(self.conv2)


class EdgeBlock(nn.Module):
    """3x3 and 1x1 convolution: a fused inverted bottleneck (https://arxiv.org/abs/2003.02838)."""

    def __init__(self, channels: int, style: BlockStyle, drop_path: float = 0.0) -> None:
        super().__init__()
        middle = round(channels * style.bottle_ratio)
        self.conv1 = style.conv(channels, middle, 3, dilation=style.dilation, groups=style.groups)
        self.attn = style.attn(middle)
        self.conv2 = style.conv(middle, channels, 1)
        self.drop_path = DropPath(drop_path) if drop_path else identity()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, h, w) to the same."""
        out: Tensor = self.drop_path(self.conv2(self.attn(self.conv1(x)))) + x
        return out

    def zero_init_last(self) -> None:
        """Let the block start as the identity."""
        zero_init_norm(self.conv2)


def zero_init_norm(conv: ConvNormAct) -> None:
    """Let a convolution and its norm yield the norm's bias alone, which is 0."""
    if isinstance(conv.bn.weight, Tensor) and not conv.bn.weight.is_meta:
        nn.init.zeros_(conv.bn.weight)


BLOCKS: dict[str, type[BottleneckBlock | DarkBlock | EdgeBlock]] = {
    "bottle": BottleneckBlock,
    "dark": DarkBlock,
    "edge": EdgeBlock,
}
