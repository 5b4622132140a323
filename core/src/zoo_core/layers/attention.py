"""Channel (and spatial) attention for residual blocks, by name."""

import inspect
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from math import log2
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from zoo_core.errors import OptionError, did_you_mean, look_up
from zoo_core.layers.activation import ActLayer, create_act
from zoo_core.layers.norm import LayerNorm2d

AttnLayer = str | Callable[..., nn.Module] | None
"""A name of `get_attn`, a class that takes the number of channels, or None for no attention."""


def make_divisible(value: float, divisor: int) -> int:
    """Return the multiple of `divisor` nearest to `value`, at least `divisor`."""
    return max(divisor, int(value + divisor / 2) // divisor * divisor)


class SqueezeExcite(nn.Module):
    """Squeeze-and-excitation (https://arxiv.org/abs/1709.01507): scale channels by their means.

    Args:
        channels: of the input and output.
        rd_ratio: hidden channels per channel, before rounding to a multiple of `rd_divisor`.
        rd_divisor: the hidden channels are a multiple of it.
        act_layer: between the two layers.
    """

    def __init__(
        self,
        channels: int,
        rd_ratio: float = 1 / 16,
        rd_divisor: int = 8,
        act_layer: ActLayer = "relu",
    ) -> None:
        super().__init__()
        hidden = make_divisible(channels * rd_ratio, rd_divisor)
        self.fc1 = nn.Conv2d(channels, hidden, kernel_size=1)
        self.act = create_act(act_layer)
        self.fc2 = nn.Conv2d(hidden, channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to the same."""
        scale = self.fc2(self.act(self.fc1(x.mean((2, 3), keepdim=True))))
        return x * scale.sigmoid()


class EffectiveSqueezeExcite(nn.Module):
    """Squeeze-and-excitation without reduction (https://arxiv.org/abs/1911.06667)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to the same."""
        return x * F.hardsigmoid(self.fc(x.mean((2, 3), keepdim=True)))


class EfficientChannelAttention(nn.Module):
    """Efficient channel attention (https://arxiv.org/abs/1910.03151): a 1d convolution of means.

    Args:
        channels: of the input and output; they decide the kernel's width, 5 for 256 and 7 for 2048.
        circular: wrap around at the ends of the channel axis, instead of padding with zeros.
    """

    def __init__(self, channels: int, circular: bool = False) -> None:
        super().__init__()
        width = int(abs(log2(channels) + 1) / 2)
        width = max(width if width % 2 else width + 1, 3)
        self.circular = circular
        self.conv = nn.Conv1d(1, 1, width, padding=0 if circular else width // 2, bias=False)
        self.pad = [width // 2, width // 2]

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to the same."""
        scale = x.mean((2, 3)).unsqueeze(1)
        if self.circular:
            scale = F.pad(scale, self.pad, mode="circular")
        scale = self.conv(scale).sigmoid()
        return x * scale.view(x.shape[0], -1, 1, 1)


class ChannelAttention(nn.Module):
    """The channel half of CBAM: squeeze-and-excitation of both the means and the maxima."""

    def __init__(self, channels: int, rd_ratio: float = 1 / 16) -> None:
        super().__init__()
        hidden = make_divisible(channels * rd_ratio, 1)
        self.fc1 = nn.Conv2d(channels, hidden, kernel_size=1, bias=False)
        self.act = nn.ReLU(inplace=True)
        self.fc2 = nn.Conv2d(hidden, channels, kernel_size=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to the same."""
        mean = self.fc2(self.act(self.fc1(x.mean((2, 3), keepdim=True))))
        peak = self.fc2(self.act(self.fc1(x.amax((2, 3), keepdim=True))))
        return x * (mean + peak).sigmoid()


class SpatialAttention(nn.Module):
    """The spatial half of CBAM: a 7x7 convolution over each pixel's mean and maximum."""

    def __init__(self) -> None:
        super().__init__()
        conv = nn.Conv2d(2, 1, kernel_size=7, padding=3, bias=False)
        self.conv = nn.Sequential(OrderedDict(conv=conv, bn=nn.BatchNorm2d(1)))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to the same."""
        scale = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        return x * self.conv(scale).sigmoid()


class Cbam(nn.Module):
    """Block attention (CBAM, https://arxiv.org/abs/1807.06521): channels, then pixels."""

    def __init__(self, channels: int, rd_ratio: float = 1 / 16) -> None:
        super().__init__()
        self.channel = ChannelAttention(channels, rd_ratio)
        self.spatial = SpatialAttention()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to the same."""
        return self.spatial(self.channel(x))


class GlobalContext(nn.Module):
    """Global context (https://arxiv.org/abs/1904.11492): scale channels by an attention pooling.

    Args:
        channels: of the input and output.
        rd_ratio: hidden channels per channel.
    """

    def __init__(self, channels: int, rd_ratio: float = 1 / 8) -> None:
        super().__init__()
        hidden = make_divisible(channels * rd_ratio, 1)
        self.conv_attn = nn.Conv2d(channels, 1, kernel_size=1)
        fc1, fc2 = nn.Conv2d(channels, hidden, kernel_size=1), nn.Conv2d(hidden, channels, kernel_size=1)
        self.mlp_scale = nn.Sequential(OrderedDict(fc1=fc1, norm=LayerNorm2d(hidden), act=nn.ReLU(), fc2=fc2))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to the same."""
        batch, channels = x.shape[:2]
        weights = self.conv_attn(x).reshape(batch, 1, -1).softmax(dim=-1)
        context = (x.reshape(batch, 1, channels, -1) @ weights.unsqueeze(-1)).view(batch, channels, 1, 1)
        return x * self.mlp_scale(context).sigmoid()


_ATTN_LAYERS: dict[str, Callable[..., nn.Module]] = {
    "se": SqueezeExcite,
    "ese": EffectiveSqueezeExcite,
    "eca": EfficientChannelAttention,
    "ceca": partial(EfficientChannelAttention, circular=True),
    "cbam": Cbam,
    "gc": GlobalContext,
}


def get_attn(attn: AttnLayer) -> Callable[..., nn.Module] | None:
    """Return the class of an attention layer, for a number of channels; None and "" give None.

    Raises:
        OptionError: for an unknown name, with the nearest one.
    """
    if attn is None or attn == "":
        return None
    return look_up("attention layer", attn, _ATTN_LAYERS) if isinstance(attn, str) else attn


def create_attn(attn: AttnLayer, channels: int, **kwargs: Any) -> nn.Module:
    """Make an attention layer for `channels` channels; `nn.Identity` for None.

    Raises:
        OptionError: for an argument that the layer does not take, with the nearest one.
    """
    layer = get_attn(attn)
    if layer is None:
        return nn.Identity()
    known = inspect.signature(layer).parameters
    for name in kwargs:
        if name not in known:
            raise OptionError(f"{attn!r} has no attn_args {name!r}{did_you_mean(name, known)}")
    return layer(channels, **kwargs)
