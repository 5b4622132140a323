"""Stages with gradient checkpointing."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from zoo_core.layers import Stage

IMAGES = torch.randn(2, 8, 12, 12)


class Counting(nn.Module):
    """A block that counts its runs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn, self.runs = nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8, momentum=None), 0

    def forward(self, x: Tensor) -> Tensor:
        self.runs += 1
        return self.bn(self.conv(x)).relu()


def test_a_checkpointed_stage_recomputes_and_counts_statistics_once() -> None:
    kept = Stage(Counting(), Counting())
    again = copy.deepcopy(kept)
    again.grad_checkpointing = True
    for stage in (kept, again):
        for _ in range(2):
            stage(IMAGES).square().sum().backward()
    assert (kept[0].runs, again[0].runs) == (2, 4)
    for one, other in zip(kept.parameters(), again.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)
    for one, other in zip(kept.buffers(), again.buffers(), strict=True):
        assert torch.equal(one, other)
    assert again[0].bn.track_running_stats
