"""The networks: their maps, their options, and what they say of wrong ones."""

from __future__ import annotations

import copy
import math
from functools import partial
from typing import Any

import pytest
import torch
import zoo_xception
from torch import nn
from zoo_core.errors import OptionError
from zoo_xception import FAMILY, xception41, xception41p
from zoo_xception import test_xception as tiny
from zoo_xception.legacy import FAMILY as LEGACY
from zoo_xception.legacy import legacy_xception

IMAGES = torch.randn(2, 3, 64, 64)
NAMES = [*FAMILY.architectures, *LEGACY.architectures]
KINDS: dict[str, Any] = {
    "aligned": tiny,
    "preactivated": partial(tiny, preact=True),
    "legacy": partial(legacy_xception, num_classes=10),
}


@pytest.mark.parametrize("name", NAMES)
def test_every_architecture_runs_and_has_a_gradient_for_each_parameter(name: str) -> None:
    with torch.device("meta"):
        net = getattr(zoo_xception, name)()
        out = net(torch.empty(1, 3, 64, 64))
    assert out.shape == (1, net.num_classes)
    out.sum().backward()
    assert [key for key, parameter in net.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize("name", FAMILY.architectures)
def test_maps_are_as_feature_info_says(name: str) -> None:
    with torch.device("meta"):
        net = getattr(zoo_xception, name)(num_classes=0).eval()
        maps = net.forward_intermediates(torch.empty(2, 3, 64, 64), intermediates_only=True)
    for one, entry in zip(maps, net.feature_info, strict=True):
        assert one.shape == (2, entry["num_chs"], 64 // entry["reduction"], 64 // entry["reduction"])


def test_the_originals_maps_lack_what_its_first_convolutions_do_not_pad() -> None:
    with torch.device("meta"):
        maps = legacy_xception().eval().forward_intermediates(torch.empty(1, 3, 299, 299), intermediates_only=True)
    assert [one.shape[-1] for one in maps] == [147, 74, 37, 19, 10]


@pytest.mark.parametrize("kind", KINDS)
def test_maps_are_what_the_named_modules_yield_and_wanting_them_changes_nothing(kind: str) -> None:
    net = KINDS[kind]().eval()
    seen: dict[str, torch.Tensor] = {}
    for entry in net.feature_info:
        name = entry["module"]
        net.get_submodule(name).register_forward_hook(lambda m, a, out, name=name: seen.update({name: out.clone()}))
    logits = net(IMAGES)
    features, maps = net.forward_intermediates(IMAGES)
    assert torch.equal(net.forward_head(features), logits)
    for entry, one in zip(net.feature_info, maps, strict=True):
        assert torch.equal(one, seen[entry["module"]]), entry["module"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_extractor_runs_and_keeps_nothing_past_its_last_map(kind: str) -> None:
    net = KINDS[kind]().eval()
    _, maps = net.forward_intermediates(IMAGES)
    for last, expected in enumerate(maps):
        backbone = KINDS[kind](features_only=True, out_indices=(last,)).eval()
        backbone.load_state_dict({key: net.state_dict()[key] for key in backbone.state_dict()})
        (one,) = backbone(IMAGES)
        assert torch.equal(one, expected)
        one.sum().backward()
        assert [key for key, parameter in backbone.named_parameters() if parameter.grad is None] == []


def test_an_extractor_leaves_the_network_it_was_made_of_whole() -> None:
    from zoo_core.features.stages import FeatureListNet

    net = tiny().eval()
    before, keys = net(IMAGES), list(net.state_dict())
    FeatureListNet(net, (1,))
    assert torch.equal(net(IMAGES), before)
    assert list(net.state_dict()) == keys


@pytest.mark.parametrize("stride", [8, 16, 32])
@pytest.mark.parametrize("build", [xception41, xception41p])
def test_output_stride_keeps_the_resolution_and_needs_no_other_weights(build: Any, stride: int) -> None:
    with torch.device("meta"):
        plain, net = build(), build(output_stride=stride)
        assert net.forward_features(torch.empty(1, 3, 64, 64)).shape == (1, 2048, 64 // stride, 64 // stride)
    assert [(key, value.shape) for key, value in net.state_dict().items()] == [
        (key, value.shape) for key, value in plain.state_dict().items()
    ]


@pytest.mark.parametrize(("pool", "factor"), [("avg", 1), ("max", 1), ("avgmax", 1), ("catavgmax", 2)])
@pytest.mark.parametrize("kind", KINDS)
def test_global_pools_and_reset_classifier(kind: str, pool: str, factor: int) -> None:
    images = torch.empty(2, 3, 64, 64, device="meta")
    net = KINDS[kind](device="meta")
    net.reset_classifier(7, pool)
    assert (net.num_classes, net.head_hidden_size) == (7, factor * net.num_features)
    assert net(images).shape == (2, 7)
    assert net.forward_head(net.forward_features(images), pre_logits=True).shape == (2, net.head_hidden_size)
    net.reset_classifier(0, "")
    assert net(images).shape == net.forward_features(images).shape


@pytest.mark.parametrize(
    ("build", "options", "message"),
    [
        (xception41, {"output_stride": 4}, "output_stride 4: 8, 16 or 32"),
        (xception41, {"act_layer": "rellu"}, "unknown activation 'rellu'. Did you mean 'relu"),
        (xception41, {"norm_layer": "groupnrm"}, "'groupnrm'. Did you mean 'groupnorm'"),
        (xception41, {"drop_path_rate": 1.0}, "drop_path_rate 1.0"),
        (xception41, {"midle": 4}, "has no option 'midle'. Did you mean 'middle'?"),
        (legacy_xception, {"drop_path_rate": 0.1}, "has no option 'drop_path_rate'"),
        (legacy_xception, {"drop_rate": -0.1}, "drop_rate -0.1: a drop rate is at least 0 and below 1"),
        (legacy_xception, {"global_pool": "averag"}, "unknown global_pool 'averag'. Did you mean 'avg'"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_wrong_option_raises(build: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as error:
        build(**options)
    assert message in str(error.value)


def test_epsilon_is_tensorflows_except_in_xception41p() -> None:
    eps = {
        name: {module.eps for module in getattr(zoo_xception, name)().modules() if isinstance(module, nn.BatchNorm2d)}
        for name in FAMILY.architectures
    }
    assert eps == {name: {1e-5 if name == "xception41p" else 1e-3} for name in eps}


def test_a_norm_by_class_brings_its_own_epsilon() -> None:
    net = tiny(norm_layer=partial(nn.BatchNorm2d, eps=0.5))
    assert {module.eps for module in net.modules() if isinstance(module, nn.BatchNorm2d)} == {0.5}


@pytest.mark.parametrize("options", [{"norm_layer": "groupnorm1"}, {"act_layer": "gelu"}, {"preact": True}], ids=str)
def test_layers_by_name(options: dict[str, Any]) -> None:
    assert tiny(**options)(IMAGES).shape == (2, 10)


def test_the_original_starts_by_he_and_the_aligned_by_torch() -> None:
    torch.manual_seed(0)
    conv = legacy_xception().conv4.pointwise.weight
    assert conv.std().item() == pytest.approx(math.sqrt(2 / 2048), rel=0.01)
    conv = xception41().blocks[12].stack.conv3.conv_pw.weight
    assert conv.std().item() == pytest.approx(1 / math.sqrt(3 * 1536), rel=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_checkpointing_changes_nothing_but_memory(kind: str) -> None:
    kept = KINDS[kind](drop_rate=0.2)
    recomputed = copy.deepcopy(kept)
    recomputed.set_grad_checkpointing()
    for net in (kept, recomputed):
        torch.manual_seed(0)
        features, maps = net.forward_intermediates(IMAGES)
        loss = net.forward_head(features).square().sum() + sum(one.square().mean() for one in maps)
        loss.backward()
    for (key, one), other in zip(kept.named_parameters(), recomputed.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad), key
    for (key, one), other in zip(kept.named_buffers(), recomputed.buffers(), strict=True):
        assert torch.equal(one, other), key


def test_stochastic_depth_rises_linearly_and_spares_the_block_without_a_shortcut() -> None:
    net = xception41(drop_path_rate=0.6)
    rates = [getattr(block.drop_path, "p", 0.0) for block in net.blocks]
    assert rates == pytest.approx([0.05 * index for index in range(12)] + [0.0])


def test_the_packages_own_weights_load() -> None:
    net = tiny(pretrained=True)
    assert (net.num_classes, net.default_cfg["tag"]) == (10, "digits")


@pytest.mark.parametrize("kind", KINDS)
def test_a_pruned_network_ends_at_its_map(kind: str) -> None:
    images = torch.randn(1, 3, 71, 71)
    for index in range(len(KINDS[kind]().feature_info) - 1):  # the last map may have a norm after it
        net = KINDS[kind]().eval()
        with torch.no_grad():
            (expected,) = net.forward_intermediates(images, indices=[index], intermediates_only=True)
            net.prune_intermediate_layers([index])
            assert torch.equal(net.forward_features(images), expected)
            assert torch.equal(net(images), expected)
