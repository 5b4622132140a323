"""The network: depthwise blocks that look near and far at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from zoo_core import OptionError
from zoo_core.layers import Stage, create_act, create_classifier
from zoo_core.network import Network

if TYPE_CHECKING:
    from zoo_tinynet.config import TinyNetConfig


class TinyNet(Network):
    """A stem, stages of `NearFarBlock`, a final norm, a linear classifier.

    Between stages the map's four neighbours become channels (space to depth), so that subsampling
    loses nothing.

    Args:
        cfg: the architecture.
        num_classes: width of the logits; 0 for no classifier.
        in_chans: channels of the images.
        global_pool: "avg", "max", "avgmax", "catavgmax", or "" or "none", which keeps the map and
            needs 0 classes.
        drop_rate: dropout of the pooled features, in 0..1.

    Raises:
        OptionError: for an option's value that is not one of these.
    """

    classifier_name = "fc"
    final_norm = "norm"

    def __init__(
        self,
        cfg: TinyNetConfig,
        *,
        num_classes: int = 1000,
        in_chans: int = 3,
        global_pool: str = "avg",
        drop_rate: float = 0.0,
    ) -> None:
        super().__init__()
        if cfg.width < 2 or cfg.width % 2:
            raise OptionError(f"width {cfg.width}: an even number, as the two halves of a block share it")
        self.num_classes = num_classes
        channels = cfg.width
        self.stem = nn.Sequential(
            nn.Conv2d(in_chans, channels, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            create_act(cfg.act_layer),
        )
        self.feature_info = [{"num_chs": channels, "reduction": 2, "module": "stem"}]
        stages: list[nn.Module] = []
        for index, depth in enumerate(cfg.depths):
            down = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * channels, 2 * channels, 1))
            channels *= 2
            blocks = [NearFarBlock(channels, cfg.expansion, cfg.dilation, cfg.act_layer) for _ in range(depth)]
            stages.append(Stage(down, *blocks))
            self.feature_info.append({"num_chs": channels, "reduction": 4 * 2**index, "module": f"stages.{index}"})
        self.stages = nn.Sequential(*stages)
        self.norm = nn.BatchNorm2d(channels)

        self.num_stages = len(self.feature_info)
        self.num_features = channels
        self.global_pool, self.fc = create_classifier(channels, num_classes, global_pool)
        self.drop = nn.Dropout(drop_rate)
        self.head_hidden_size = channels * self.global_pool.feat_mult()
        self.init_weights()

    def forward_stages(self, x: Tensor, taps: list[int], last: int) -> tuple[Tensor, list[Tensor]]:
        """Walk the network once, see `Network.forward_stages`."""
        maps: list[Tensor] = []
        x = self.stem(x)
        if 0 in taps:
            maps.append(x)
        if self.stages is not None:  # None where only the stem's map is wanted
            if len(taps) == 0 and last == self.num_stages:
                x = self.stages(x)  # as one, so that a hook on it runs
            else:
                for index, stage in enumerate(self.stages):
                    if last > index:
                        x = stage(x)
                        if index + 1 in taps:
                            maps.append(x)
        if self.norm is not None and last >= self.num_stages:
            x = self.norm(x)
        return x, maps

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Pool and classify: (batch, num_features, h, w) to (batch, num_classes)."""
        x = self.drop(self.global_pool(x))
        return x if pre_logits else self.fc(x)

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Return patterns that order parameters by depth: the stem, each block (coarse: stage)."""
        return {"stem": r"^stem", "blocks": r"^stages\.(\d+)" if coarse else r"^stages\.(\d+)\.(\d+)"}


class NearFarBlock(nn.Module):
    """A pointwise expansion, depthwise 3x3 filters, a pointwise projection, and a shortcut.

    Half of the channels see the neighbours, the other half what lies behind them, and the
    projection mixes the two.
    """

    def __init__(self, channels: int, expansion: int, dilation: int, act_layer: str) -> None:
        super().__init__()
        half = channels * expansion // 2
        self.expand = nn.Conv2d(channels, 2 * half, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(2 * half)
        self.act = create_act(act_layer)
        self.near = nn.Conv2d(half, half, 3, padding=1, groups=half, bias=False)
        self.far = nn.Conv2d(half, half, 3, padding=dilation, dilation=dilation, groups=half, bias=False)
        self.norm2 = nn.BatchNorm2d(2 * half)
        self.project = nn.Conv2d(2 * half, channels, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to the same."""
        near, far = self.act(self.norm1(self.expand(x))).chunk(2, dim=1)
        both = self.norm2(torch.cat((self.near(near), self.far(far)), dim=1))
        residual: Tensor = self.norm3(self.project(both))
        return x + residual
