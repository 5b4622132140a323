"""The cross stage partial networks against timm, bit for bit on the same weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from comparison import (
    assert_same_distributions,
    assert_same_maps_and_logits,
    assert_same_names_and_maps,
    assert_same_training,
    theirs,
)
from torch import nn
from zoo_cspnet import FAMILY

pytestmark = pytest.mark.peers

SHARED = [name for name in FAMILY.architectures if not name.endswith("_iabn") and name != "test_cspnet"]
SAMPLE = ["cspresnet50d", "sedarknet21", "cs3darknet_focus_s", "cs3darknet_s"]


def ours(name: str, **options: Any) -> nn.Module:
    return FAMILY.constructor(name)(**{"num_classes": 1000, **options})


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


@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("name", ["cspresnet50", "darknet17", "cs3darknet_s"])
def test_dilated_networks_equal_timms(name: str, stride: int) -> None:
    zoo, timm = ours(name, output_stride=stride), theirs(name, output_stride=stride)
    assert_same_names_and_maps(zoo, timm)
    assert_same_maps_and_logits(zoo, timm)


@pytest.mark.parametrize("options", [{"in_chans": 1}, {"in_chans": 4, "num_classes": 10}, {"num_classes": 0}], ids=str)
def test_other_channels_and_classes_equal_timms(options: dict[str, int]) -> None:
    zoo, timm = ours("cs3darknet_s", **options), theirs("cs3darknet_s", **options)
    assert_same_maps_and_logits(zoo, timm, options.get("in_chans", 3))


TRAINED: dict[str, tuple[str, dict[str, Any]]] = {
    "csp stages, bottlenecks": ("cspresnet50", {}),
    "groups": ("cspresnext50", {}),
    "csp stages, dark blocks": ("cspdarknet53", {}),
    "dark stages": ("darknet17", {}),
    "average-pooled": ("darknetaa53", {}),
    "cs3 stages": ("cs3darknet_s", {}),
    "edge blocks": ("cs3edgenet_x", {}),
    "se": ("sedarknet21", {}),
    "se in bottlenecks": ("cs3sedarknet_xdw", {}),
    "output stride 8": ("cs3darknet_s", {"output_stride": 8}),
    "silu": ("darknet17", {"act_layer": "silu"}),
    "group norm": ("darknet17", {"norm_layer": "groupnorm"}),
    "blur": ("cspresnet50", {"aa_layer": "blur"}),
    "dropout": ("cs3darknet_s", {"drop_rate": 0.3}),
    "stochastic depth": ("cs3darknet_s", {"drop_path_rate": 0.5}),
    "catavgmax pooling": ("cs3darknet_s", {"global_pool": "catavgmax"}),
}


@pytest.mark.parametrize("case", TRAINED)
def test_training_equals_timms(case: str) -> None:
    name, options = TRAINED[case]
    assert_same_training(ours(name, zero_init_last=False, **options), theirs(name, zero_init_last=False, **options))


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["cspresnet50", "sedarknet21", "cs3darknet_focus_s"])
def test_fresh_weights_are_distributed_as_timms(name: str) -> None:
    torch.manual_seed(0)
    assert_same_distributions(ours(name), theirs(name))
