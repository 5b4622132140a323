"""The aligned Xception. The original is in `zoo_xception.legacy`."""

from typing import List, Tuple  # noqa: UP035 - TorchScript knows no others

import torch
from torch import Tensor, nn
from zoo_core import OptionError
from zoo_core.layers import ClassifierHead, ConvNormAct, create_act, drop_path_rates
from zoo_core.network import Network

from zoo_xception.blocks import AlignedBlock
from zoo_xception.config import XceptionConfig
from zoo_xception.separable import Style


class XceptionAligned(Network):
    """Xception for dense prediction (https://arxiv.org/abs/1802.02611): three flows, a classifier.

    Its first maps lie inside the blocks that subsample, see `zoo_xception.blocks`.

    Args:
        cfg: the architecture.
        num_classes: width of the logits; 0 for no classifier.
        in_chans: channels of the images.
        global_pool: "avg", "max", "avgmax", "catavgmax", or "" or "none", which keeps the map and
            needs 0 classes.
        output_stride: 32, or 16 or 8, beyond which blocks dilate instead of subsampling.
        drop_rate: dropout of the pooled features, in 0..1.
        drop_path_rate: stochastic depth of the last block; it rises linearly from 0 at the first.

    Raises:
        OptionError: for an option's value that is not one of these.
    """

    classifier_name = "head.fc"

    def __init__(
        self,
        cfg: XceptionConfig,
        *,
        num_classes: int = 1000,
        in_chans: int = 3,
        global_pool: str = "avg",
        output_stride: int = 32,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        super().__init__()
        if output_stride not in (8, 16, 32):
            raise OptionError(f"output_stride {output_stride}: 8, 16 or 32")
        self.num_classes = num_classes
        stem_conv = {"kernel_size": 3, "norm_layer": Style.of(cfg).norm_act, "act_layer": cfg.act_layer}
        self.stem = nn.Sequential(
            ConvNormAct(in_chans, cfg.stem[0], stride=2, **stem_conv),
            # Before activations that come first in every block, one here would come twice.
            nn.Conv2d(*cfg.stem, 3, padding=1, bias=False) if cfg.preact else ConvNormAct(*cfg.stem, **stem_conv),
        )
        self.blocks = self._create_blocks(cfg, output_stride, drop_path_rate)
        self.act = create_act(cfg.act_layer if cfg.preact else None, inplace=False)
        self.num_features = self.feature_info[-1]["num_chs"]
        self.num_stages = len(self.feature_info)
        self.head = ClassifierHead(self.num_features, num_classes, global_pool, drop_rate)
        self.head_hidden_size = self.head.hidden_size

    def _create_blocks(self, cfg: XceptionConfig, output_stride: int, drop_path_rate: float) -> nn.Sequential:
        """Build the three flows, and note their feature maps."""
        middle = cfg.entry[-1][0]
        rows = [((channels,) * 3, stride, True) for channels, stride in cfg.entry]
        rows += [((middle,) * 3, 1, True)] * cfg.middle
        rows += [(cfg.exit[0], 2, True), (cfg.exit[1], 1, False)]
        (drop_path,) = drop_path_rates(drop_path_rate, [len(rows)])
        style = Style.of(cfg)
        blocks: list[nn.Module] = []
        self.feature_info = []
        channels, reduction, dilation = cfg.stem[-1], 2, 1
        for index, (widths, full_stride, skip) in enumerate(rows):
            stride, next_dilation, tapped = full_stride, dilation, full_stride > 1
            if tapped:
                module = f"blocks.{index}.stack.{'conv2' if cfg.preact else 'act3'}"
                self.feature_info.append({"num_chs": widths[1], "reduction": reduction, "module": module})
            if reduction * stride > output_stride:
                # What the stride would have skipped is what later blocks step over
                # (https://arxiv.org/abs/1511.07122).
                stride, next_dilation = 1, dilation * full_stride
            block = AlignedBlock(
                channels,
                widths,
                style,
                preact=cfg.preact,
                stride=stride,
                dilation=dilation,
                skip=skip,
                drop_path=drop_path[index],
                stage=len(self.feature_info) - tapped,
                tapped=tapped,
            )
            blocks.append(block)
            channels, reduction, dilation = widths[-1], reduction * stride, next_dilation
        self.feature_info.append({"num_chs": channels, "reduction": reduction, "module": f"blocks.{len(rows) - 1}"})
        return nn.Sequential(*blocks)

    def forward_stages(self, x: Tensor, taps: List[int], last: int) -> Tuple[Tensor, List[Tensor]]:  # noqa: UP006
        """Walk the network once, see `Network.forward_stages`."""
        maps: List[Tensor] = []  # noqa: UP006
        x = self.stem(x)
        if len(taps) == 0 and last == self.num_stages:
            x = self.blocks(x)
        else:
            for block in self.blocks:
                x = block.walk(x, taps, last, maps)  # type: ignore[operator]
        if self.num_stages - 1 in taps:
            maps.append(x)
        if self.act is not None and last >= self.num_stages:
            x = self.act(x)
        return x, maps

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Pool and classify: (batch, num_features, h, w) to (batch, num_classes)."""
        logits: Tensor = self.head(x, pre_logits)
        return logits

    @torch.jit.ignore
    def group_matcher(self, coarse: bool = False) -> dict[str, str]:
        """Return patterns that order parameters by depth: the stem, then each block."""
        return {"stem": r"^stem", "blocks": r"^blocks\.(\d+)"}

    @torch.jit.ignore
    def prune_stages(self, last: int) -> None:
        """See `Network.prune_stages`; a block with the last map keeps the part before it."""
        super().prune_stages(last)
        block = self.blocks[-1]
        if isinstance(block, AlignedBlock) and block.tapped:
            block.drop_past_tap()
