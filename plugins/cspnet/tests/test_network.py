"""The network: its maps, its options, and what it says of wrong ones."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import nn
from zoo_core.errors import OptionError
from zoo_core.layers import BatchNormAct2d, InplaceAbn
from zoo_cspnet import FAMILY, cs3darknet_s, cspdarknet53, cspresnet50, darknet17, sedarknet21
from zoo_cspnet import test_cspnet as tiny

IMAGES = torch.randn(2, 3, 64, 64)


@pytest.mark.parametrize("name", FAMILY.architectures)
def test_every_architecture_runs_and_has_a_gradient_for_each_parameter(name: str) -> None:
    with torch.device("meta"):
        net = FAMILY.constructor(name)()
        out = net(torch.empty(1, 3, 64, 64))
    assert out.shape == (1, net.num_classes)
    out.sum().backward()
    assert [key for key, parameter in net.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize("name", FAMILY.architectures)
def test_maps_are_as_feature_info_says(name: str) -> None:
    depth = tuple(1 for _ in FAMILY.architectures[name].depth)
    with torch.device("meta"):
        net = FAMILY.constructor(name)(depth=depth, num_classes=0).eval()
        maps = net.forward_intermediates(torch.empty(2, 3, 64, 64), intermediates_only=True)
    for one, entry in zip(maps, net.feature_info, strict=True):
        assert one.shape == (2, entry["num_chs"], 64 // entry["reduction"], 64 // entry["reduction"])


def test_sedarknet21_has_as_many_maps_as_its_siblings() -> None:
    with torch.device("meta"):
        assert len(sedarknet21().feature_info) == len(darknet17().feature_info) == 6
        backbone = sedarknet21(features_only=True)
        assert backbone.feature_info.channels() == [32, 64, 128, 256, 512, 1024]


@pytest.mark.parametrize("last", range(6))
def test_an_extractor_keeps_nothing_past_its_last_map(last: int) -> None:
    net = cspdarknet53(depth=(1, 1, 1, 1, 1))
    backbone = cspdarknet53(depth=(1, 1, 1, 1, 1), features_only=True, out_indices=(last,))
    (one,) = backbone(IMAGES)
    one.sum().backward()
    assert [key for key, parameter in backbone.named_parameters() if parameter.grad is None] == []
    assert set(backbone.state_dict()) <= set(net.state_dict())


@pytest.mark.parametrize("stage_type", ["csp", "cs3", "dark"])
@pytest.mark.parametrize("avg_down", [False, True])
@pytest.mark.parametrize("down_growth", [False, True])
def test_a_stage_with_stride_1_works(stage_type: str, avg_down: bool, down_growth: bool) -> None:
    net = cs3darknet_s(
        stride=(1, 2, 2, 2),
        stage_type=stage_type,
        block_ratio=1.0 if stage_type == "dark" else 0.5,
        avg_down=avg_down,
        down_growth=down_growth,
    )
    maps = net.eval().forward_intermediates(IMAGES, intermediates_only=True)
    assert [one.shape[-1] for one in maps] == [32, 32, 16, 8, 4]


@pytest.mark.parametrize("stride", [8, 16, 32])
@pytest.mark.parametrize("name", ["cspresnet50", "darknetaa53", "cs3darknet_s"])
def test_output_stride_keeps_the_resolution_and_needs_no_other_weights(name: str, stride: int) -> None:
    with torch.device("meta"):
        plain, net = FAMILY.constructor(name)(), FAMILY.constructor(name)(output_stride=stride)
        assert net.forward_features(torch.empty(1, 3, 64, 64)).shape[-1] == 64 // stride
    assert [(key, value.shape) for key, value in net.state_dict().items()] == [
        (key, value.shape) for key, value in plain.state_dict().items()
    ]


@pytest.mark.parametrize(("pool", "width"), [("avg", 96), ("max", 96), ("avgmax", 96), ("catavgmax", 192)])
def test_global_pools(pool: str, width: int) -> None:
    net = tiny(global_pool=pool, num_classes=7).eval()
    assert (net.num_features, net.head_hidden_size) == (96, width)
    features = net.forward_features(IMAGES)
    assert net.forward_head(features).shape == (2, 7)
    assert net.forward_head(features, pre_logits=True).shape == (2, width)


def test_reset_classifier() -> None:
    net = tiny().double()
    net.reset_classifier(5)
    assert (net.num_classes, net.get_classifier().weight.dtype) == (5, torch.float64)
    net.reset_classifier(6, "catavgmax")
    assert (net.head_hidden_size, net(IMAGES.double()).shape) == (192, (2, 6))
    net.reset_classifier(0, "")
    assert net(IMAGES.double()).shape == (2, 96, 8, 8)
    net.reset_classifier(5, "avg")
    assert net(IMAGES.double()).shape == (2, 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stage_type": "cs4"}, "unknown stage_type 'cs4'. Did you mean 'csp' or 'cs3'?"),
        ({"block_type": "drak"}, "unknown block_type 'drak'. Did you mean 'dark'?"),
        ({"block_ratio": 0.75}, "block_ratio 0.75: the blocks of a stage of 64 channels get 32 and cannot yield 48"),
        ({"groups": (1, 2)}, "groups (1, 2): depth has 4 stages, this 2"),
        ({"act_layer": "sillu"}, "unknown activation 'sillu'. Did you mean 'silu'"),
        ({"norm_layer": "groupnrm"}, "'groupnrm'. Did you mean 'groupnorm'"),
        ({"norm_layer": nn.InstanceNorm2d}, "norm layer InstanceNorm2d has no form with an activation"),
        ({"attn_layer": "see"}, "unknown attention layer 'see'. Did you mean 'se'"),
        (
            {"attn_layer": "se", "attn_args": {"rd_rato": 0.1}},
            "'se' has no attn_args 'rd_rato'. Did you mean 'rd_ratio'",
        ),
        ({"output_stride": 4}, "output_stride 4: 8, 16 or 32"),
        ({"drop_rate": 1.0}, "drop_rate 1.0: a drop rate is at least 0 and below 1"),
        ({"stem_cha": (8,)}, "has no option 'stem_cha'. Did you mean 'stem_chs'"),
    ],
    ids=str,
)
def test_a_wrong_option_raises(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as error:
        cs3darknet_s(**options)
    assert message in str(error.value)


@pytest.mark.parametrize("attn", ["se", "eca", "cbam", "gc"])
def test_attention_by_name(attn: str) -> None:
    assert tiny(attn_layer=attn)(IMAGES).shape == (2, 10)


def test_blocks_start_as_the_identity_unless_told_otherwise() -> None:
    assert cspresnet50(depth=(1, 1, 1, 1)).stages[0].blocks[0].conv3.bn.weight.eq(0).all()
    assert darknet17().stages[0].blocks[0].conv2.bn.weight.eq(0).all()
    assert darknet17(zero_init_last=False).stages[0].blocks[0].conv2.bn.weight.eq(1).all()


def test_convolutions_start_by_he_and_the_classifier_small() -> None:
    torch.manual_seed(0)
    net = sedarknet21()
    assert net.stages[4].blocks[0].conv2.conv.weight.std().item() == pytest.approx(math.sqrt(2 / (1024 * 9)), rel=0.01)
    assert net.stages[4].blocks[0].attn.fc1.bias.eq(0).all()
    assert net.get_classifier().weight.std().item() == pytest.approx(0.01, rel=0.01)
    assert net.get_classifier().bias.eq(0).all()


@pytest.mark.parametrize("norm", ["batchnorm2d", "iabn"])
def test_gradient_checkpointing_changes_nothing_but_memory(norm: str) -> None:
    kept = tiny(norm_layer=norm, act_layer="leaky_relu", zero_init_last=False, drop_path_rate=0.3)
    recomputed = copy.deepcopy(kept)
    recomputed.set_grad_checkpointing()
    for net in (kept, recomputed):
        torch.manual_seed(0)
        net(IMAGES).square().sum().backward()
    for (key, one), other in zip(kept.named_parameters(), recomputed.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad), key
    for (key, one), other in zip(kept.named_buffers(), recomputed.buffers(), strict=True):
        assert torch.equal(one, other), key


@pytest.mark.parametrize("name", ["cspresnext50", "cspdarknet53"])
def test_in_place_activated_batch_norm_computes_what_the_unfused_layers_compute(name: str) -> None:
    depth = tuple(1 for _ in FAMILY.architectures[name].depth)
    options = {"depth": depth, "num_classes": 10, "zero_init_last": False}
    inplace = FAMILY.constructor(f"{name}_iabn")(**options).double()
    plain = FAMILY.constructor(name)(**options).double()
    plain.load_state_dict(inplace.state_dict())
    assert sum(isinstance(module, InplaceAbn) for module in inplace.modules()) == sum(
        isinstance(module, BatchNormAct2d) for module in plain.modules()
    )
    # The fused layer scales by |weight| + eps.
    for module in plain.modules():
        if isinstance(module, BatchNormAct2d):
            module.weight.data.abs_().add_(module.eps)
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    logits = [net(images) for net in (plain, inplace)]
    for one in logits:
        one.square().sum().backward()
    torch.testing.assert_close(*logits, rtol=1e-5, atol=1e-5)
    for (key, one), other in zip(plain.named_parameters(), inplace.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-5, atol=1e-5, msg=key)


def test_the_packages_own_weights_load() -> None:
    net = tiny(pretrained=True)
    assert (net.num_classes, net.default_cfg["tag"]) == (10, "digits")
