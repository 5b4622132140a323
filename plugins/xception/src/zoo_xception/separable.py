"""Separable convolutions: a 3x3 convolution of each channel, then a 1x1 across them (https://arxiv.org/abs/1610.02357)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn
from zoo_core.layers import create_act, get_norm_act_layer, get_norm_layer, symmetric_padding

from zoo_xception.config import XceptionConfig


@dataclass(frozen=True)
class Style:
    """Options that all blocks of a network share, made from its configuration."""

    norm: Callable[..., nn.Module]
    """Builds a norm for a number of channels."""
    norm_act: Callable[..., nn.Module]
    """Builds a norm that ends in the activation."""
    act_layer: Any

    @classmethod
    def of(cls, cfg: XceptionConfig) -> "Style":
        """Return the style of `cfg`.

        Raises:
            OptionError: for a norm or an activation that does not exist.
        """
        norm, norm_act = get_norm_layer(cfg.norm_layer), get_norm_act_layer(cfg.norm_layer, cfg.act_layer)
        if isinstance(cfg.norm_layer, str) and cfg.norm_eps is not None:
            norm, norm_act = partial(norm, eps=cfg.norm_eps), partial(norm_act, eps=cfg.norm_eps)
        return cls(norm, norm_act, cfg.act_layer)


def depthwise(channels: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """Make a 3x3 convolution of each channel by itself."""
    padding = symmetric_padding(3, stride, dilation)
    return nn.Conv2d(channels, channels, 3, stride, padding, dilation, groups=channels, bias=False)


def pointwise(in_channels: int, out_channels: int) -> nn.Conv2d:
    """Make a 1x1 convolution across the channels."""
    return nn.Conv2d(in_channels, out_channels, 1, bias=False)


class SeparableConv(nn.Module):
    """Each convolution followed by a norm, and with `apply_act` by the activation."""

    def __init__(
        self, in_channels: int, out_channels: int, style: Style, *, stride: int, dilation: int, apply_act: bool
    ) -> None:
        super().__init__()
        self.conv_dw = depthwise(in_channels, stride, dilation)
        self.bn_dw = style.norm(in_channels)
        self.act_dw = create_act(style.act_layer if apply_act else None)
        self.conv_pw = pointwise(in_channels, out_channels)
        self.bn_pw = style.norm(out_channels)
        self.act_pw = create_act(style.act_layer if apply_act else None)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, h, w) to (batch, out_channels, h / stride, w / stride)."""
        # Step by step, so that no more than a layer's input and output are alive at once.
        x = self.conv_dw(x)
        x = self.act_dw(self.bn_dw(x))
        x = self.conv_pw(x)
        out: Tensor = self.act_pw(self.bn_pw(x))
        return out


class PreSeparableConv(nn.Module):
    """Norm and activation, unless `first` (the block has done both), and the two convolutions."""

    def __init__(
        self, in_channels: int, out_channels: int, style: Style, *, stride: int, dilation: int, first: bool
    ) -> None:
        super().__init__()
        self.norm = nn.Identity() if first else style.norm_act(in_channels)
        self.conv_dw = depthwise(in_channels, stride, dilation)
        self.conv_pw = pointwise(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, h, w) to (batch, out_channels, h / stride, w / stride)."""
        out: Tensor = self.conv_pw(self.conv_dw(self.norm(x)))
        return out
