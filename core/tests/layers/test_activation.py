"""Activations by name."""

from __future__ import annotations

import pytest
from torch import nn
from zoo_core.layers import create_act, get_act_layer


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("relu", nn.ReLU),
        ("SiLU", nn.SiLU),
        ("swish", nn.SiLU),
        ("hardswish", nn.Hardswish),
        ("hard_swish", nn.Hardswish),
    ],
)
def test_activations_by_name(name: str, layer: type[nn.Module]) -> None:
    assert get_act_layer(name) is layer


def test_an_activation_by_class_or_none() -> None:
    assert get_act_layer(nn.Tanh) is nn.Tanh
    assert isinstance(create_act(None), nn.Identity)
    assert create_act("relu").inplace
    assert not create_act("relu", inplace=False).inplace
    assert create_act("leaky_relu").negative_slope == 0.01
