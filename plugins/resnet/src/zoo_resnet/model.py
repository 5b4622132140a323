"""The residual network and its published variations. The two blocks are in `zoo_resnet.blocks`."""

from typing import List, Tuple  # noqa: UP035 - TorchScript knows no others

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn
from zoo_core import OptionError, look_up
from zoo_core.layers import (
    DropPath,
    Stage,
    check_rate,
    create_aa,
    create_act,
    create_classifier,
    drop_path_rates,
    get_aa_layer,
    get_norm_layer,
    is_avg_pool,
)
from zoo_core.network import Network

from zoo_resnet.blocks import BLOCKS, BasicBlock, BlockStyle, Bottleneck, create_shortcut
from zoo_resnet.config import ResNetConfig
from zoo_resnet.drop_block import DropBlock2d

DROP_BLOCKS = {2: (5, 0.25), 3: (3, 1.0)}
"""Stages with DropBlock, counted from 0: the block's size and the scale of its rate."""


class ResNet(Network):
    """A residual network (https://arxiv.org/abs/1512.03385): a stem, four stages, a classifier.

    Args:
        cfg: the architecture.
        num_classes: width of the logits; 0 for no classifier.
        in_chans: channels of the images.
        global_pool: "avg", "max", "avgmax", "catavgmax", or "" or "none", which keeps the map and
            needs 0 classes.
        output_stride: 32, or 16 or 8, which dilates the last one or two stages instead of
            subsampling them.
        drop_rate: dropout of the pooled features, in 0..1.
        drop_path_rate: stochastic depth of the last block; it rises linearly from 0 at the first.
        drop_block_rate: DropBlock in the last two stages.
        zero_init_last: start every block as the identity.

    Raises:
        OptionError: for an option's value that is not one of these.
    """

    classifier_name = "fc"

    def __init__(
        self,
        cfg: ResNetConfig,
        *,
        num_classes: int = 1000,
        in_chans: int = 3,
        global_pool: str = "avg",
        output_stride: int = 32,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        drop_block_rate: float = 0.0,
        zero_init_last: bool = True,
    ) -> None:
        super().__init__()
        check_rate("drop_rate", drop_rate)
        check_rate("drop_block_rate", drop_block_rate)
        if output_stride not in (8, 16, 32):
            raise OptionError(f"output_stride {output_stride}: 8, 16 or 32")
        self.num_classes = num_classes
        self.drop_rate = drop_rate
        self.zero_init_last = zero_init_last

        stem_channels = self._create_stem(cfg, in_chans)
        stages = self._create_stages(cfg, stem_channels, output_stride, drop_path_rate, drop_block_rate)
        self.layer1, self.layer2, self.layer3, self.layer4 = stages

        self.num_features = self.feature_info[-1]["num_chs"]
        self.num_stages = len(self.feature_info)
        self.global_pool, self.fc = create_classifier(self.num_features, num_classes, global_pool)
        self.head_hidden_size = self.num_features * self.global_pool.feat_mult()
        self.init_layers()

    def _create_stem(self, cfg: ResNetConfig, in_chans: int) -> int:
        """Build the stem, and return its channels."""
        norm = get_norm_layer(cfg.norm_layer)
        width, out = _stem_widths(cfg)
        if width:
            convs: list[nn.Module] = []
            for index, (ins, outs) in enumerate(zip((in_chans, *width), (*width, out), strict=True)):
                convs.append(nn.Conv2d(ins, outs, 3, stride=1 if index else 2, padding=1, bias=False))
                if index < len(width):
                    convs += [norm(outs), create_act(cfg.act_layer)]
            self.conv1: nn.Module = nn.Sequential(*convs)
        else:
            self.conv1 = nn.Conv2d(in_chans, out, 7, stride=2, padding=3, bias=False)
        self.bn1 = norm(out)
        self.act1 = create_act(cfg.act_layer)
        self.maxpool = _create_stem_pool(cfg, out)
        self.feature_info = [{"num_chs": out, "reduction": 2, "module": "act1"}]
        return out

    def _create_stages(
        self,
        cfg: ResNetConfig,
        in_channels: int,
        output_stride: int,
        drop_path_rate: float,
        drop_block_rate: float,
    ) -> list[Stage]:
        """Build the four stages, and note their feature maps."""
        style = BlockStyle(
            cardinality=cfg.cardinality,
            base_width=cfg.base_width,
            reduce_first=cfg.block_reduce_first,
            act_layer=cfg.act_layer,
            norm_layer=cfg.norm_layer,
            aa_layer=cfg.aa_layer,
            attn_layer=cfg.attn_layer,
            attn_args=cfg.attn_args,
        )
        kinds = _block_kinds(cfg)
        drop_path = drop_path_rates(drop_path_rate, cfg.layers)
        stages: list[Stage] = []
        reduction, dilation, previous_dilation = 4, 1, 1
        for index, (kind, planes, depth) in enumerate(zip(kinds, cfg.channels, cfg.layers, strict=True)):
            stride = 1 if index == 0 else 2
            if reduction * stride > output_stride:
                # What the stride would have skipped is what a dilation steps over
                # (https://arxiv.org/abs/1511.07122).
                dilation *= stride
                stride = 1
            reduction *= stride
            blocks: list[nn.Module] = []
            for block in range(depth):
                out_channels = planes * kind.expansion
                downsample = create_shortcut(
                    in_channels,
                    out_channels,
                    kernel_size=cfg.down_kernel_size,
                    stride=stride,
                    dilation=dilation,
                    first_dilation=previous_dilation,
                    avg_down=cfg.avg_down,
                    norm_layer=cfg.norm_layer,
                )
                blocks.append(
                    kind(
                        in_channels,
                        planes,
                        style,
                        stride=stride,
                        dilation=dilation,
                        first_dilation=previous_dilation,
                        downsample=downsample,
                        drop_block=_drop_block(index, drop_block_rate),
                        drop_path=_drop_path(drop_path[index][block]),
                    )
                )
                in_channels, stride, previous_dilation = out_channels, 1, dilation
            stages.append(Stage(*blocks))
            self.feature_info.append({"num_chs": in_channels, "reduction": reduction, "module": f"layer{index + 1}"})
        return stages

    def forward_stages(self, x: Tensor, taps: List[int], last: int) -> Tuple[Tensor, List[Tensor]]:  # noqa: UP006
        """Walk the network once, see `Network.forward_stages`."""
        maps: List[Tensor] = []  # noqa: UP006
        x = self.act1(self.bn1(self.conv1(x)))
        if 0 in taps:
            maps.append(x)
        if self.layer1 is not None and last >= 1:
            x = self.maxpool(x)
            x = self.layer1(x)
        if 1 in taps:
            maps.append(x)
        if self.layer2 is not None and last >= 2:
            x = self.layer2(x)
        if 2 in taps:
            maps.append(x)
        if self.layer3 is not None and last >= 3:
            x = self.layer3(x)
        if 3 in taps:
            maps.append(x)
        if self.layer4 is not None and last >= 4:
            x = self.layer4(x)
        if 4 in taps:
            maps.append(x)
        return x, maps

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Pool and classify: (batch, num_features, h, w) to (batch, num_classes)."""
        x = self.global_pool(x)
        if self.drop_rate > 0.0:
            x = F.dropout(x, p=self.drop_rate, training=self.training)
        return x if pre_logits else self.fc(x)

    @torch.jit.ignore
    def group_matcher(self, coarse: bool = False) -> dict[str, str]:
        """Return patterns that order parameters by depth: the stem, each block (coarse: stage)."""
        return {"stem": r"^conv1|bn1|maxpool", "blocks": r"^layer(\d+)" if coarse else r"^layer(\d+)\.(\d+)"}

    @torch.jit.ignore
    def init_layers(self) -> None:
        """Start convolutions as He did, and every block as the identity unless told otherwise."""
        super().init_layers()
        if self.zero_init_last:
            for module in self.modules():
                if isinstance(module, BasicBlock | Bottleneck):
                    module.zero_init_last()

    @torch.jit.ignore
    def init_module(self, module: nn.Module) -> None:
        """Draw every 2d convolution as He (https://arxiv.org/abs/1502.01852)."""
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _stem_widths(cfg: ResNetConfig) -> tuple[tuple[int, ...], int]:
    """Return channels of a deep stem's first convolutions (none for 7x7), and of its output."""
    kinds = {"": (), "deep": (cfg.stem_width,) * 2, "deep_tiered": (3 * (cfg.stem_width // 4), cfg.stem_width)}
    width = look_up("stem_type", cfg.stem_type, kinds)
    return width, 2 * cfg.stem_width if width else 64


def _create_stem_pool(cfg: ResNetConfig, channels: int) -> nn.Module:
    """Make the stem's subsampling: max pooling, or one of its published replacements."""
    aa = get_aa_layer(cfg.aa_layer)
    if cfg.replace_stem_pool:
        conv = nn.Conv2d(channels, channels, 3, stride=1 if aa else 2, padding=1, bias=False)
        blur = [create_aa(aa, channels, 2)] if aa else []
        return nn.Sequential(conv, *blur, get_norm_layer(cfg.norm_layer)(channels), create_act(cfg.act_layer))
    if aa is None:
        return nn.MaxPool2d(3, stride=2, padding=1)
    if is_avg_pool(aa):
        return create_aa(aa, channels, 2)
    return nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), create_aa(aa, channels, 2))


def _block_kinds(cfg: ResNetConfig) -> list[type[BasicBlock | Bottleneck]]:
    """Return the block of each stage."""
    if not len(cfg.layers) == len(cfg.channels) == 4:
        raise OptionError(f"layers {cfg.layers}, channels {cfg.channels}: one number for each of the 4 stages")
    names = (cfg.block,) * 4 if isinstance(cfg.block, str) else cfg.block
    if len(names) != 4:
        raise OptionError(f"block {names}: one name, or one for each of the 4 stages")
    return [look_up("block", name, BLOCKS) for name in names]


def _drop_block(stage: int, rate: float) -> nn.Module:
    if rate == 0.0 or stage not in DROP_BLOCKS:
        return nn.Identity()
    size, gamma_scale = DROP_BLOCKS[stage]
    return DropBlock2d(rate, size, gamma_scale)


def _drop_path(rate: float) -> nn.Module:
    return DropPath(rate) if rate > 0.0 else nn.Identity()
