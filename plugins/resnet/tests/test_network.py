"""The network: its maps, its options, and what it says of wrong ones."""

from __future__ import annotations

import copy
import dataclasses
import math
from typing import Any

import pytest
import torch
from torch import nn
from zoo_core.errors import OptionError
from zoo_resnet import FAMILY, ecaresnet50d_pruned, resnet18, resnet26, resnet50
from zoo_resnet import test_resnet as tiny

SHALLOW = {"resnet18", "resnet26t", "ecaresnet50d_pruned", "test_resnet"}
IMAGES = torch.randn(2, 3, 64, 64)


def variants() -> dict[str, dict[str, Any]]:
    """One architecture of each kind, one block a stage: those that differ in more than their
    depth."""
    options = {"layers": (1, 1, 1, 1)}
    kinds: dict[str, str] = {}
    for name, config in FAMILY.architectures.items():
        kinds.setdefault(repr(dataclasses.replace(config, **options)), name)
    return dict.fromkeys(kinds.values(), options)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        (name, {}) if name in SHALLOW else pytest.param(name, {}, marks=pytest.mark.heavy)
        for name in FAMILY.architectures
    ]
    + list(variants().items()),
)
def test_every_architecture_runs_and_has_a_gradient_for_each_parameter(name: str, options: dict[str, Any]) -> None:
    with torch.device("meta"):
        net = FAMILY.constructor(name)(**options)
        out = net(torch.empty(1, 3, 64, 64))
    assert out.shape == (1, net.num_classes) if net.num_classes else out.ndim == 2
    out.sum().backward()
    assert [key for key, parameter in net.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize("name", [name for name in variants() if "101" not in name and "201" not in name])
def test_maps_are_as_feature_info_says(name: str) -> None:
    net = FAMILY.constructor(name)(layers=(1, 1, 1, 1), num_classes=0).eval()
    with torch.no_grad():
        maps = net.forward_intermediates(IMAGES, intermediates_only=True)
    for one, entry in zip(maps, net.feature_info, strict=True):
        assert one.shape == (2, entry["num_chs"], 64 // entry["reduction"], 64 // entry["reduction"])
        assert one.isfinite().all()


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_output_stride_keeps_the_resolution(stride: int) -> None:
    net = resnet26(output_stride=stride, avg_down=True).eval()
    with torch.no_grad():
        assert net.forward_features(IMAGES).shape == (2, 2048, 64 // stride, 64 // stride)
    assert [entry["reduction"] for entry in net.feature_info] == [2, 4, 8, min(stride, 16), stride]


@pytest.mark.parametrize("stride", [8, 16])
def test_dilation_needs_no_other_weights(stride: int) -> None:
    assert {key: value.shape for key, value in resnet18(output_stride=stride).state_dict().items()} == {
        key: value.shape for key, value in resnet18().state_dict().items()
    }


@pytest.mark.parametrize(("pool", "width"), [("avg", 96), ("max", 96), ("avgmax", 96), ("catavgmax", 192)])
def test_global_pools(pool: str, width: int) -> None:
    net = tiny(global_pool=pool, num_classes=7).eval()
    assert (net.num_features, net.head_hidden_size) == (96, width)
    with torch.no_grad():
        features = net.forward_features(IMAGES)
        assert net.forward_head(features).shape == (2, 7)
        assert net.forward_head(features, pre_logits=True).shape == (2, width)


@pytest.mark.parametrize("pool", ["", "none"])
def test_no_pool_keeps_the_map(pool: str) -> None:
    net = tiny(global_pool=pool, num_classes=0).eval()
    assert net(IMAGES).shape == (2, 96, 2, 2)
    with pytest.raises(OptionError, match="needs num_classes=0"):
        tiny(global_pool=pool)


def test_reset_classifier() -> None:
    net = tiny()
    net.reset_classifier(5)
    assert (net.num_classes, net(IMAGES).shape) == (5, (2, 5))
    net.reset_classifier(6, "catavgmax")
    assert (net.head_hidden_size, net(IMAGES).shape) == (192, (2, 6))
    net.reset_classifier(0, "")
    assert net(IMAGES).shape == (2, 96, 2, 2)
    assert net.get_classifier() is net.fc


def test_a_fresh_classifier_is_where_and_what_the_network_is() -> None:
    net = tiny().double()
    net.reset_classifier(3)
    assert net.fc.weight.dtype == torch.float64
    net.to("meta").reset_classifier(4)
    assert net.fc.weight.is_meta


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"block": "bottlneck"}, "unknown block 'bottlneck'. Did you mean 'bottleneck'?"),
        ({"stem_type": "deap"}, "unknown stem_type 'deap'. Did you mean 'deep'?"),
        ({"act_layer": "rellu"}, "unknown activation 'rellu'. Did you mean 'relu"),
        ({"norm_layer": "groupnrm"}, "unknown normalisation 'groupnrm'. Did you mean 'groupnorm'"),
        ({"attn_layer": "ecca"}, "unknown attention layer 'ecca'. Did you mean 'eca'"),
        ({"aa_layer": "blurr"}, "unknown anti-aliasing layer 'blurr'. Did you mean 'blur'"),
        ({"global_pool": "averag"}, "unknown global_pool 'averag'. Did you mean 'avg'"),
        ({"output_stride": 4}, "output_stride 4: 8, 16 or 32"),
        ({"layers": (1, 1, 1)}, "one number for each of the 4 stages"),
        ({"block": ("basic", "basic")}, "one name, or one for each of the 4 stages"),
        ({"block": "basic", "cardinality": 32}, "cardinality 32, base_width 64: a basic block has 1 and 64"),
        ({"drop_rate": 1.5}, "drop_rate 1.5: a drop rate is at least 0 and below 1"),
        ({"drop_path_rate": -0.1}, "drop_path_rate -0.1"),
        ({"num_classes": -1}, "num_classes -1: at least 0"),
        ({"stem_widht": 32}, "has no option 'stem_widht'. Did you mean 'stem_width'"),
        ({"attn_layer": "se", "attn_args": {"ratio": 4}}, "attn_args"),
    ],
    ids=str,
)
def test_a_wrong_option_raises(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as error:
        resnet50(**options)
    assert message in str(error.value)


def test_layers_by_class() -> None:
    net = tiny(act_layer=nn.Tanh, norm_layer=nn.InstanceNorm2d, aa_layer=nn.AvgPool2d)
    assert isinstance(net.act1, nn.Tanh)
    assert isinstance(net.bn1, nn.InstanceNorm2d)
    assert isinstance(net.maxpool, nn.AvgPool2d)
    assert net(IMAGES).shape == (2, 10)


def test_blocks_start_as_the_identity_unless_told_otherwise() -> None:
    assert resnet18().layer1[1].bn2.weight.eq(0).all()
    assert resnet26().layer1[1].bn3.weight.eq(0).all()
    assert resnet18(zero_init_last=False).layer1[1].bn2.weight.eq(1).all()


def test_convolutions_start_by_he_and_the_rest_by_torch() -> None:
    torch.manual_seed(0)
    net = resnet18(attn_layer="se")
    conv = net.layer4[1].conv2.weight
    assert conv.std().item() == pytest.approx(math.sqrt(2 / (512 * 9)), rel=0.01)
    squeeze = net.layer4[1].se.fc1
    assert squeeze.weight.std().item() == pytest.approx(math.sqrt(2 / 32), rel=0.02)
    assert 0 < squeeze.bias.abs().max() <= 512**-0.5
    assert net.fc.weight.abs().max() <= 512**-0.5


def test_the_same_seed_gives_the_same_network() -> None:
    torch.manual_seed(3)
    first = tiny().state_dict()
    torch.manual_seed(3)
    assert all(torch.equal(value, first[key]) for key, value in tiny().state_dict().items())


@pytest.mark.parametrize("options", [{}, {"drop_path_rate": 0.3, "drop_block_rate": 0.1, "drop_rate": 0.2}], ids=str)
def test_gradient_checkpointing_changes_nothing_but_memory(options: dict[str, float]) -> None:
    kept = resnet18(zero_init_last=False, **options)
    recomputed = copy.deepcopy(kept)
    recomputed.set_grad_checkpointing()
    for net in (kept, recomputed):
        torch.manual_seed(0)
        net(IMAGES).square().sum().backward()
    for (key, one), other in zip(kept.named_parameters(), recomputed.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad), key
    for (key, one), other in zip(kept.named_buffers(), recomputed.buffers(), strict=True):
        assert torch.equal(one, other), key
    assert recomputed.layer1[0].bn1.num_batches_tracked == 1


def test_gradient_checkpointing_keeps_fewer_activations() -> None:
    def kept_bytes(net: nn.Module) -> int:
        sizes: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.nbytes) or t, lambda t: t):
            net(IMAGES)
        return sum(sizes)

    net = resnet18()
    before = kept_bytes(net)
    net.set_grad_checkpointing()
    assert kept_bytes(net) < before / 2
    net.set_grad_checkpointing(False)
    assert kept_bytes(net) == before


def test_stochastic_depth_rises_linearly() -> None:
    net = resnet18(drop_path_rate=0.7)
    rates = [getattr(block.drop_path, "p", 0.0) for stage in (1, 2, 3, 4) for block in getattr(net, f"layer{stage}")]
    assert rates == pytest.approx([0.1 * index for index in range(8)])


def test_parameter_groups_by_depth() -> None:
    import re

    matcher = resnet18().group_matcher()
    assert re.match(matcher["stem"], "conv1.weight")
    assert re.match(matcher["blocks"], "layer3.1.conv2.weight").groups() == ("3", "1")
    assert re.match(resnet18().group_matcher(coarse=True)["blocks"], "layer3.1.conv2.weight").groups() == ("3",)


@pytest.mark.parametrize(
    ("options", "shape"),
    [({}, (2, 1000)), ({"num_classes": 0}, (2, 2022)), ({"global_pool": "catavgmax", "num_classes": 3}, (2, 3))],
    ids=str,
)
def test_pruned_networks_take_every_head(options: dict[str, Any], shape: tuple[int, ...]) -> None:
    net = ecaresnet50d_pruned(**options)
    assert net.training
    assert net.num_features == 2022
    assert [entry["num_chs"] for entry in net.feature_info] == [64, 19, 171, 818, 2022]
    assert net(IMAGES).shape == shape
