"""The Xceptions against timm, bit for bit on the same weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import zoo_xception
from comparison import (
    assert_same_distributions,
    assert_same_maps_and_logits,
    assert_same_names_and_maps,
    assert_same_training,
    theirs,
)
from torch import nn

pytestmark = pytest.mark.peers

SHARED = ["legacy_xception", "xception41", "xception41p", "xception65", "xception65p", "xception71"]
SAMPLE = ["legacy_xception", "xception41", "xception41p"]


def ours(name: str, **options: Any) -> nn.Module:
    return getattr(zoo_xception, name)(**options)


@pytest.mark.parametrize("name", SHARED)
def test_names_shapes_order_and_maps_equal_timms(name: str) -> None:
    with torch.device("meta"):
        assert_same_names_and_maps(ours(name), theirs(name))


@pytest.mark.parametrize("name", SAMPLE)
def test_logits_and_maps_equal_timms(name: str) -> None:
    assert_same_maps_and_logits(ours(name), theirs(name))


@pytest.mark.heavy
@pytest.mark.parametrize("name", [name for name in SHARED if name not in SAMPLE])
def test_logits_and_maps_equal_timms_everywhere(name: str) -> None:
    assert_same_maps_and_logits(ours(name), theirs(name))


@pytest.mark.filterwarnings("ignore:Mapping deprecated model name")  # timm's, not ours
def test_the_first_name_is_the_same_network_without_a_warning() -> None:
    assert_same_maps_and_logits(ours("xception"), theirs("xception"))


@pytest.mark.parametrize(("name", "stride"), [("xception41", 8), ("xception41p", 16), ("xception71", 16)])
def test_dilated_networks_equal_timms(name: str, stride: int) -> None:
    zoo, timm = ours(name, output_stride=stride), theirs(name, output_stride=stride)
    assert_same_names_and_maps(zoo, timm)
    assert_same_maps_and_logits(zoo, timm)


@pytest.mark.parametrize("options", [{"in_chans": 1}, {"in_chans": 4, "num_classes": 10}, {"num_classes": 0}], ids=str)
@pytest.mark.parametrize("name", ["legacy_xception", "xception41"])
def test_other_channels_and_classes_equal_timms(name: str, options: dict[str, int]) -> None:
    assert_same_maps_and_logits(ours(name, **options), theirs(name, **options), options.get("in_chans", 3))


TRAINED: dict[str, tuple[str, dict[str, Any]]] = {
    "legacy": ("legacy_xception", {}),
    "legacy, dropout": ("legacy_xception", {"drop_rate": 0.3}),
    "aligned": ("xception41", {}),
    "preactivated": ("xception41p", {}),
    "output stride 8": ("xception41", {"output_stride": 8}),
    "silu": ("xception41p", {"act_layer": nn.SiLU}),
    "dropout": ("xception41p", {"drop_rate": 0.3}),
    "stochastic depth": ("xception41", {"drop_path_rate": 0.5}),
    "stochastic depth, preactivated": ("xception41p", {"drop_path_rate": 0.5}),
    "avgmax pooling": ("xception41", {"global_pool": "avgmax"}),
}


@pytest.mark.parametrize("case", TRAINED)
def test_training_equals_timms(case: str) -> None:
    name, options = TRAINED[case]
    assert_same_training(ours(name, **options), theirs(name, **options))


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["legacy_xception", "xception41", "xception41p"])
def test_fresh_weights_are_distributed_as_timms(name: str) -> None:
    torch.manual_seed(0)
    assert_same_distributions(ours(name), theirs(name))
