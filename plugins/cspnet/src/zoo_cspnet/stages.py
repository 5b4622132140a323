"""The stages: (batch, in_chs, h, w) to (batch, out_chs, h / stride, w / stride).

A cross stage splits its input into halves by channel, sends one through its blocks and past the
other (https://arxiv.org/abs/1911.11929): the gradients of the two differ, and the blocks work on
fewer channels.
"""

from typing import TYPE_CHECKING, List  # noqa: UP035 - TorchScript knows no others

import torch
from torch import Tensor, nn
from zoo_core import OptionError, look_up
from zoo_core.layers import ConvNormAct, InplaceAbn, Stage, is_hooked

from zoo_cspnet.blocks import BLOCKS, BlockStyle
from zoo_cspnet.concatenated import conv_of_concatenation
from zoo_cspnet.config import CspNetConfig, StageConfig


class Place:
    """The surroundings of a stage in its network.

    Attributes:
        in_chs: channels that come in.
        stride: by how much it subsamples, after dilation took strides away.
        dilation: of its 3x3 convolutions.
        first_dilation: of the convolution that subsamples, or would have.
        drop_path: rate of each block.
    """

    def __init__(self, in_chs: int, stride: int, dilation: int, first_dilation: int, drop_path: list[float]) -> None:
        self.in_chs = in_chs
        self.stride = stride
        self.dilation = dilation
        self.first_dilation = first_dilation
        self.drop_path = drop_path

    @property
    def subsamples(self) -> bool:
        """True if a convolution starts the stage that subsamples, or would without dilation."""
        return self.stride != 1 or self.first_dilation != self.dilation


class Joining(nn.Module):
    """Base of the cross stages: their two halves meet in ``conv_transition``."""

    if TYPE_CHECKING:  # TorchScript would read the annotations, and cannot
        conv_transition: ConvNormAct

        def halves(self, x: Tensor) -> List[Tensor]: ...  # noqa: UP006, D102

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_chs, h, w) to (batch, out_chs, h / stride, w / stride)."""
        if self.training and not torch.jit.is_scripting():  # type: ignore[attr-defined]
            return self._forward_training(x)
        # Nothing names the halves, so that they are gone once they lie side by side.
        out: Tensor = self.conv_transition(torch.cat(self.halves(x), dim=1))
        return out

    @torch.jit.unused
    def _forward_training(self, x: Tensor) -> Tensor:
        layer = self.conv_transition
        if not isinstance(layer.bn, InplaceAbn) or is_hooked(layer, layer.conv):
            return layer(torch.cat(self.halves(x), dim=1))
        # The halves' norms keep the halves already; keeping them side by side too is what such a
        # norm is to avoid.
        out: Tensor = layer.aa(layer.bn(conv_of_concatenation(layer.conv, self.halves(x))))
        return out


class CrossStage(Joining):
    """A cross stage: both halves meet after a transition of the blocks' half."""

    def __init__(self, cfg: CspNetConfig, stage: StageConfig, place: Place) -> None:
        super().__init__()
        style = BlockStyle.of(cfg, stage, place.dilation)
        channels = stage.out_chs if place.subsamples and stage.down_growth else place.in_chs
        expanded, inner = round(stage.out_chs * stage.expand_ratio), round(stage.out_chs * stage.block_ratio)
        self.conv_down = create_down(cfg, stage, place, channels) if place.subsamples else nn.Identity()
        self.conv_exp = style.conv(channels, expanded, 1, apply_act=not stage.cross_linear)
        self.blocks = create_blocks(stage, place, style, expanded // 2, inner)
        self.conv_transition_b = style.conv(inner, expanded // 2, 1)
        self.conv_transition = style.conv(expanded, stage.out_chs, 1)

    def halves(self, x: Tensor) -> List[Tensor]:  # noqa: UP006
        """Return the half past the blocks, and the half through blocks and transition."""
        past, through = self.conv_exp(self.conv_down(x)).chunk(2, dim=1)
        return [past, self.conv_transition_b(self.blocks(through))]


class CrossStage3(Joining):
    """A cross stage with three 1x1 convolutions, those of the halves fused, as in YOLOv5 (https://zenodo.org/records/4679653)."""

    def __init__(self, cfg: CspNetConfig, stage: StageConfig, place: Place) -> None:
        super().__init__()
        style = BlockStyle.of(cfg, stage, place.dilation)
        channels = stage.out_chs if place.subsamples and stage.down_growth else place.in_chs
        expanded, inner = round(stage.out_chs * stage.expand_ratio), round(stage.out_chs * stage.block_ratio)
        self.conv_down = create_down(cfg, stage, place, channels) if place.subsamples else nn.Identity()
        self.conv_exp = style.conv(channels, expanded, 1)
        self.blocks = create_blocks(stage, place, style, expanded // 2, inner)
        self.conv_transition = style.conv(expanded // 2 + inner, stage.out_chs, 1)

    def halves(self, x: Tensor) -> List[Tensor]:  # noqa: UP006
        """Return the half through the blocks, and the half past them."""
        through, past = self.conv_exp(self.conv_down(x)).chunk(2, dim=1)
        return [self.blocks(through), past]


class DarkStage(nn.Module):
    """A Darknet's stage (https://arxiv.org/abs/1804.02767): blocks after subsampling, no split."""

    def __init__(self, cfg: CspNetConfig, stage: StageConfig, place: Place) -> None:
        super().__init__()
        style = BlockStyle.of(cfg, stage, place.dilation)
        self.conv_down = create_down(cfg, stage, place, stage.out_chs)
        self.blocks = create_blocks(stage, place, style, stage.out_chs, round(stage.out_chs * stage.block_ratio))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_chs, h, w) to (batch, out_chs, h / stride, w / stride)."""
        out: Tensor = self.blocks(self.conv_down(x))
        return out


STAGES: dict[str, type[CrossStage | CrossStage3 | DarkStage]] = {
    "csp": CrossStage,
    "cs3": CrossStage3,
    "dark": DarkStage,
}


def create_stage(cfg: CspNetConfig, stage: StageConfig, place: Place) -> nn.Module:
    """Make a stage from its configuration.

    Raises:
        OptionError: for a kind of stage or block that does not exist, or channels that do not fit
            together.
    """
    return look_up("stage_type", stage.stage_type, STAGES)(cfg, stage, place)


def create_down(cfg: CspNetConfig, stage: StageConfig, place: Place, out_chs: int) -> nn.Module:
    """Make the subsampling: a 3x3 convolution, or average pooling and a 1x1."""
    conv = BlockStyle.of(cfg, stage, place.first_dilation).conv
    if not stage.avg_down:
        return conv(
            place.in_chs,
            out_chs,
            3,
            stride=place.stride,
            dilation=place.first_dilation,
            groups=stage.groups,
            aa_layer=cfg.aa_layer,
        )
    pool = nn.AvgPool2d(place.stride) if place.stride > 1 else nn.Identity()
    return nn.Sequential(pool, conv(place.in_chs, out_chs, 1, groups=stage.groups))


def create_blocks(stage: StageConfig, place: Place, style: BlockStyle, in_chs: int, out_chs: int) -> Stage:
    """Make the blocks of a stage.

    Raises:
        OptionError: for a block that does not exist, or channels that a block would have to change.
    """
    block = look_up("block_type", stage.block_type, BLOCKS)
    if in_chs != out_chs:
        raise OptionError(
            f"block_ratio {stage.block_ratio}: the blocks of a stage of {stage.out_chs} channels get {in_chs} and "
            f"cannot yield {out_chs}; it is half of expand_ratio in a cross stage, and 1 in a dark stage"
        )
    middle = round(out_chs * stage.bottle_ratio)
    return Stage(*(block(out_chs, middle, style, rate) for rate in place.drop_path))
