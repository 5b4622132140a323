"""Counts, against what can be counted by hand and what is published."""

from __future__ import annotations

import pytest
import torch
import zoo_core
from torch import nn
from zoo_inference.cost import cost_of, peak_bytes

PUBLISHED = {"resnet50": (25.56, 4.11, 11.11), "densenet121": (7.98, 2.87, 6.90)}
"""Millions of parameters, billions of multiply-adds, millions of activations, at 224 x 224."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_counts(name: str) -> None:
    net = zoo_core.create_model(name)
    cost = cost_of(net, (3, 224, 224))
    counts = cost.parameters / 1e6, cost.multiply_adds / 1e9, cost.activations / 1e6
    assert counts == pytest.approx(PUBLISHED[name], rel=0.02)
    assert net.training
    assert {parameter.device.type for parameter in net.parameters()} == {"cpu"}


def test_a_count_by_hand() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5))
    cost = cost_of(net, (3, 8, 8))
    assert cost.multiply_adds == 36 * 8 * 27 + 8 * 36 * 5
    assert cost.activations == 36 * 8 + 5


def test_peak_memory_is_that_of_tensors_alive_at_once() -> None:
    x, size = torch.zeros(1000), 4000
    assert peak_bytes(lambda: x + 1, "cpu") == size
    assert peak_bytes(lambda: ((x + 1) + 1) + 1, "cpu") == 2 * size
    assert peak_bytes(lambda: [x + 1, x + 1, x + 1], "cpu") == 3 * size
    assert peak_bytes(lambda: x.view(10, 100).t(), "cpu") == 0
    assert peak_bytes(lambda: x.add_(1), "cpu") == 0
