"""The two residual blocks (https://arxiv.org/abs/1512.03385) and their shortcut."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn
from zoo_core import OptionError
from zoo_core.layers import (
    AaLayer,
    ActLayer,
    AttnLayer,
    NormLayer,
    create_aa,
    create_act,
    create_attn,
    get_norm_layer,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BlockStyle:
    """Options that all blocks of a network share."""

    cardinality: int = 1
    base_width: int = 64
    reduce_first: int = 1
    act_layer: ActLayer = "relu"
    norm_layer: NormLayer = "batchnorm2d"
    aa_layer: AaLayer = None
    attn_layer: AttnLayer = None
    attn_args: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, added to the shortcut.

    Args:
        in_channels: of the input.
        planes: width of the convolutions, and of the output.
        style: options that the network's blocks share.
        stride: input size over output size.
        dilation: of the second convolution.
        first_dilation: of the first convolution.
        downsample: the shortcut, where it is not the identity.
        drop_block: after the first convolution.
        drop_path: of the residual branch.
    """

    expansion = 1

    def __init__(
        self,
        in_channels: int,
        planes: int,
        style: BlockStyle,
        *,
        stride: int = 1,
        dilation: int = 1,
        first_dilation: int = 1,
        downsample: nn.Module,
        drop_block: nn.Module,
        drop_path: nn.Module,
    ) -> None:
        super().__init__()
        if style.cardinality != 1 or style.base_width != 64:
            raise OptionError(
                f"cardinality {style.cardinality}, base_width {style.base_width}: a basic block has 1 and 64"
            )
        norm = get_norm_layer(style.norm_layer)
        width = planes // style.reduce_first
        aa = _aa_layer(style, stride, dilation, first_dilation)

        self.conv1 = _conv3x3(in_channels, width, 1 if aa else stride, first_dilation)
        self.bn1 = norm(width)
        self.drop_block = drop_block
        self.act1 = create_act(style.act_layer)
        self.aa = create_aa(aa, width, stride)
        self.conv2 = _conv3x3(width, planes, 1, dilation)
        self.bn2 = norm(planes)
        self.se = create_attn(style.attn_layer, planes, **style.attn_args)
        self.drop_path = drop_path
        self.act2 = create_act(style.act_layer)
        self.downsample = downsample

    def zero_init_last(self) -> None:
        """Start as the identity: zero the scale of the last normalisation (https://arxiv.org/abs/1706.02677)."""
        _zero_scale(self.bn2)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, h, w) to (batch, planes, h / stride, w / stride)."""
        shortcut = x
        x = self.aa(self.act1(self.drop_block(self.bn1(self.conv1(x)))))
        x = self.se(self.bn2(self.conv2(x)))
        x = self.drop_path(x)
        x += self.downsample(shortcut)  # last, so that it is not alive while the branch runs
        return self.act2(x)


class Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride) and 1x1 convolutions, narrow in between, added to the shortcut.

    Args:
        in_channels: of the input.
        planes: a quarter of the output's channels.
        style: options that the network's blocks share.
        stride: input size over output size.
        dilation: kept for the basic block's sake; the one 3x3 convolution has `first_dilation`.
        first_dilation: of the 3x3 convolution.
        downsample: the shortcut, where it is not the identity.
        drop_block: after the 3x3 convolution.
        drop_path: of the residual branch.
    """

    expansion = 4

    def __init__(
        self,
        in_channels: int,
        planes: int,
        style: BlockStyle,
        *,
        stride: int = 1,
        dilation: int = 1,
        first_dilation: int = 1,
        downsample: nn.Module,
        drop_block: nn.Module,
        drop_path: nn.Module,
    ) -> None:
        super().__init__()
        norm = get_norm_layer(style.norm_layer)
        width = planes * style.base_width // 64 * style.cardinality
        first_width = width // style.reduce_first
        out_channels = planes * self.expansion
        aa = _aa_layer(style, stride, dilation, first_dilation)

        self.conv1 = nn.Conv2d(in_channels, first_width, kernel_size=1, bias=False)
        self.bn1 = norm(first_width)
        self.act1 = create_act(style.act_layer)
        self.conv2 = _conv3x3(first_width, width, 1 if aa else stride, first_dilation, style.cardinality)
        self.bn2 = norm(width)
        self.drop_block = drop_block
        self.act2 = create_act(style.act_layer)
        self.aa = create_aa(aa, width, stride)
        self.conv3 = nn.Conv2d(width, out_channels, kernel_size=1, bias=False)
        self.bn3 = norm(out_channels)
        self.se = create_attn(style.attn_layer, out_channels, **style.attn_args)
        self.drop_path = drop_path
        self.act3 = create_act(style.act_layer)
        self.downsample = downsample

    def zero_init_last(self) -> None:
        """Start as the identity: zero the scale of the last normalisation (https://arxiv.org/abs/1706.02677)."""
        _zero_scale(self.bn3)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, h, w) to (batch, 4 * planes, h / stride, w / stride)."""
        shortcut = x
        x = self.act1(self.bn1(self.conv1(x)))
        x = self.aa(self.act2(self.drop_block(self.bn2(self.conv2(x)))))
        x = self.conv3(x)  # by itself, so that its input is not alive while its norm runs
        x = self.se(self.bn3(x))
        x = self.drop_path(x)
        x += self.downsample(shortcut)  # last, so that it is not alive while the branch runs
        return self.act3(x)


def create_shortcut(
    in_channels: int,
    out_channels: int,
    *,
    kernel_size: int,
    stride: int,
    dilation: int,
    first_dilation: int,
    avg_down: bool,
    norm_layer: NormLayer,
) -> nn.Module:
    """Make a stage's first shortcut: a convolution and a norm, the identity for the same shape."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    norm = get_norm_layer(norm_layer)(out_channels)
    if avg_down:
        return nn.Sequential(
            _avg_down(stride, dilation), nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False), norm
        )
    if stride == 1 and dilation == 1:
        kernel_size = 1
    if kernel_size == 1:
        first_dilation = 1
    padding = (stride - 1 + first_dilation * (kernel_size - 1)) // 2
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation=first_dilation, bias=False)
    return nn.Sequential(conv, norm)


class AvgPool2dSame(nn.Module):
    """Average pooling of 2x2 windows at stride 1, with zeros below and to the right."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to the same."""
        return F.avg_pool2d(F.pad(x, [0, 1, 0, 1]), kernel_size=2, stride=1)


def _avg_down(stride: int, dilation: int) -> nn.Module:
    if dilation > 1:
        return AvgPool2dSame()  # the resolution stays, so the windows overlap
    if stride == 1:
        return nn.Identity()
    # An odd size is rounded up, as by the strided 3x3 convolution of the residual branch.
    return nn.AvgPool2d(2, stride, ceil_mode=True, count_include_pad=False)


def _conv3x3(in_channels: int, out_channels: int, stride: int, dilation: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(
        in_channels, out_channels, 3, stride, padding=dilation, dilation=dilation, groups=groups, bias=False
    )


def _aa_layer(style: BlockStyle, stride: int, dilation: int, first_dilation: int) -> AaLayer:
    """Return the anti-aliasing layer of a block that subsamples, or would without dilation."""
    return style.aa_layer if stride == 2 or first_dilation != dilation else None


def _zero_scale(norm: nn.Module) -> None:
    if getattr(norm, "weight", None) is not None:
        nn.init.zeros_(norm.weight)  # type: ignore[arg-type]


BLOCKS: dict[str, type[BasicBlock | Bottleneck]] = {"basic": BasicBlock, "bottleneck": Bottleneck}
