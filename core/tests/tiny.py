"""A small network for core's own tests: core knows no family, so its tests bring one."""

from __future__ import annotations

import dataclasses
from typing import List, Tuple  # noqa: UP035 - TorchScript knows no others

import torch
from torch import Tensor, nn
from zoo_core.layers import create_classifier
from zoo_core.network import Network


@dataclasses.dataclass(frozen=True, kw_only=True)
class TinyConfig:
    widths: tuple[int, ...] = (4, 6, 8)


class TinyNet(Network):
    """A stem and two stages, each with a batch norm; the third map is followed by a final norm."""

    def __init__(
        self, cfg: TinyConfig = TinyConfig(), *, num_classes: int = 5, in_chans: int = 3, drop_rate: float = 0.0
    ) -> None:
        super().__init__()
        stem, first, second = cfg.widths
        self.num_classes, self.drop_rate = num_classes, drop_rate
        self.stem = nn.Conv2d(in_chans, stem, 3, stride=2, padding=1)
        self.stages = nn.Sequential(_stage(stem, first), _stage(first, second))
        self.fc: nn.Module = nn.Linear(second, num_classes) if num_classes else nn.Identity()
        self.num_features = self.head_hidden_size = second
        self.feature_info = [
            {"num_chs": stem, "reduction": 2, "module": "stem"},
            {"num_chs": first, "reduction": 4, "module": "stages.0"},
            {"num_chs": second, "reduction": 8, "module": "stages.1"},
        ]
        self.num_stages = 3
        self.init_weights()

    def forward_stages(self, x: Tensor, taps: List[int], last: int) -> Tuple[Tensor, List[Tensor]]:  # noqa: UP006
        maps: List[Tensor] = []  # noqa: UP006
        x = self.stem(x)
        if 0 in taps:
            maps.append(x)
        if self.stages is not None:
            for index, stage in enumerate(self.stages):
                if last > index:
                    x = stage(x)
                    if index + 1 in taps:
                        maps.append(x)
        return x, maps

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = x.mean((2, 3))
        return x if pre_logits else self.fc(x)

    @torch.jit.ignore
    def get_classifier(self) -> nn.Module:
        return self.fc

    @torch.jit.ignore
    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        self.num_classes = num_classes
        self.fc = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()


def _stage(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class TinyTokens(Network):
    """A map of a convolution, then two of tokens with a prefix, and a norm that fits those."""

    classifier_name = "head"
    final_norm = "norm"

    def __init__(self, prefix: int = 3, pool: str = "avg", *, num_classes: int = 5) -> None:
        super().__init__()
        self.num_classes, self.num_stages, self.num_prefix_tokens = num_classes, 3, prefix
        self.num_features = self.head_hidden_size = 6
        self.stem = nn.Conv2d(3, 4, 2, stride=2)
        self.patches = nn.Conv2d(4, 6, 2, stride=2)
        self.prefix = nn.Parameter(torch.randn(1, prefix, 6))
        self.blocks = nn.Sequential(*(nn.Sequential(nn.Linear(6, 6), nn.Tanh()) for _ in range(2)))
        self.norm = nn.LayerNorm(6)
        nn.init.constant_(self.norm.bias, 3.0)
        self.global_pool, self.head = create_classifier(6, num_classes, pool, num_prefix_tokens=prefix)
        self.feature_info = [
            {"num_chs": 4, "reduction": 2, "module": "stem"},
            {"num_chs": 6, "reduction": 4, "module": "blocks.0", "layout": "NLC"},
            {"num_chs": 6, "reduction": 4, "module": "blocks.1", "layout": "NLC"},
        ]

    def forward_stages(self, x: Tensor, taps: List[int], last: int) -> Tuple[Tensor, List[Tensor]]:  # noqa: UP006
        maps: List[Tensor] = []  # noqa: UP006
        x = self.stem(x)
        if 0 in taps:
            maps.append(x)
        if self.patches is not None:
            x = self.patches(x).flatten(2).transpose(1, 2)
            x = torch.cat((self.prefix.expand(x.shape[0], -1, -1), x), dim=1)
        if self.blocks is not None:
            for index, block in enumerate(self.blocks):
                if last > index:
                    x = block(x)
                    if index + 1 in taps:
                        maps.append(x)
        if self.norm is not None and last >= self.num_stages:
            x = self.norm(x)
        return x, maps

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = self.global_pool(x)
        return x if pre_logits else self.head(x)
