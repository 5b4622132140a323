"""A small network for core's own tests: core knows no family, so its tests bring one."""

from __future__ import annotations

import dataclasses
from typing import List, Tuple  # noqa: UP035 - TorchScript knows no others

import torch
from torch import Tensor, nn
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
