"""The ResNet family against timm, bit for bit on the same weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from zoo_resnet import FAMILY

pytestmark = pytest.mark.peers

UNKNOWN_TO_TIMM = {"resnext101_32x48d"}
SHARED = [name for name in FAMILY.architectures if name not in UNKNOWN_TO_TIMM]
LARGE = {"ecaresnet269d", "resnetrs270", "resnetrs350", "resnetrs420", "seresnet269d", "seresnextaa201d_32x8d"} | {
    "resnext101_32x16d", "resnext101_32x32d", "senet154", "wide_resnet101_2"
}  # fmt: skip
SAMPLE = ["resnet18", "resnet26t", "seresnet18", "resnetblur18", "ecaresnet26t", "test_resnet"]


def ours(name: str, **options: Any) -> nn.Module:
    return FAMILY.constructor(name)(**{"num_classes": 1000, **options})


def theirs(name: str, **options: Any) -> nn.Module:
    import timm

    return timm.create_model(name, **options)


def shapes(net: nn.Module) -> list[tuple[str, torch.Size]]:
    return [(key, value.shape) for key, value in net.state_dict().items()]


def same_weights(source: nn.Module, target: nn.Module) -> None:
    """Random weights and statistics in which every block counts, in both."""
    torch.manual_seed(0)
    for module in source.modules():
        if isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
            nn.init.uniform_(module.weight, 0.5, 1.0)
            nn.init.normal_(module.bias, std=0.1)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.normal_(module.running_mean, std=0.1)
    target.load_state_dict(source.state_dict())


def assert_same_maps_and_logits(zoo: nn.Module, timm: nn.Module, in_chans: int = 3) -> None:
    same_weights(timm, zoo)
    images = torch.randn(1, in_chans, 64, 96)
    with torch.no_grad():
        features, maps = timm.eval().forward_intermediates(images)
        our_features, our_maps = zoo.eval().forward_intermediates(images)
        assert all(torch.equal(one, other) for one, other in zip(our_maps, maps, strict=True))
        logits = timm.forward_head(features)
        assert logits.isfinite().all()
        assert torch.equal(zoo.forward_head(our_features), logits)


@pytest.mark.parametrize("name", SHARED)
def test_names_shapes_order_and_maps_equal_timms(name: str) -> None:
    with torch.device("meta"):
        zoo = ours(name)
        # timm prunes by copying weights, so it cannot build a pruned network on the meta device.
        timm = theirs(name) if "pruned" not in name else None
    timm = timm or theirs(name)
    assert shapes(zoo) == shapes(timm)
    assert [key for key, _ in zoo.named_parameters()] == [key for key, _ in timm.named_parameters()]
    assert zoo.feature_info == list(timm.feature_info)
    assert (zoo.num_features, zoo.head_hidden_size) == (timm.num_features, timm.head_hidden_size)


@pytest.mark.parametrize("name", SAMPLE)
def test_logits_and_maps_equal_timms(name: str) -> None:
    assert_same_maps_and_logits(ours(name), theirs(name))


@pytest.mark.heavy
@pytest.mark.parametrize("name", [name for name in SHARED if name not in {*LARGE, *SAMPLE}])
def test_logits_and_maps_equal_timms_everywhere(name: str) -> None:
    assert_same_maps_and_logits(ours(name), theirs(name))


@pytest.mark.heavy
@pytest.mark.parametrize("name", sorted(LARGE))
def test_logits_and_maps_equal_timms_at_a_shrunken_depth(name: str) -> None:
    assert_same_maps_and_logits(ours(name, layers=(1, 1, 1, 1)), theirs(name, layers=(1, 1, 1, 1)))


@pytest.mark.parametrize("options", [{"in_chans": 1}, {"in_chans": 4, "num_classes": 10}, {"num_classes": 0}], ids=str)
def test_other_channels_and_classes_equal_timms(options: dict[str, int]) -> None:
    zoo, timm = ours("resnet18", **options), theirs("resnet18", **options)
    assert_same_maps_and_logits(zoo, timm, options.get("in_chans", 3))


def blur() -> type[nn.Module]:
    from timm.layers import BlurPool2d

    return BlurPool2d


TRAINED: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("resnet18", {}),
    "bottleneck": ("resnet26", {}),
    "mixed blocks": ("test_resnet", {}),
    "deep stem, average-pooled shortcuts": ("resnet26d", {}),
    "tiered stem": ("resnet14t", {}),
    "groups": ("resnext50_32x4d", {"layers": (1, 1, 1, 1)}),
    "first convolution reduced": ("senet154", {"layers": (1, 1, 1, 1)}),
    "no stem pool": ("resnetrs50", {"layers": (1, 1, 1, 1)}),
    "se": ("seresnet18", {}),
    "eca": ("ecaresnet26t", {}),
    "ese": ("resnet18", {"attn_layer": "ese"}),
    "ceca": ("resnet18", {"attn_layer": "ceca"}),
    "cbam": ("resnet18", {"attn_layer": "cbam"}),
    "gc": ("resnet18", {"attn_layer": "gc"}),
    "average anti-aliasing": ("resnetaa34d", {"layers": (1, 1, 1, 1)}),
    "blur": ("resnetblur18", {}),
    "blur, no stem pool": ("resnet18", {"aa_layer": "blur", "replace_stem_pool": True}),
    "group norm": ("resnet50_gn", {"layers": (1, 1, 1, 1)}),
    "layer norm": ("resnet18", {"norm_layer": "layernorm2d"}),
    "output stride 16": ("resnet18", {"output_stride": 16}),
    "output stride 8, average-pooled shortcuts": ("resnet26d", {"output_stride": 8}),
    "output stride 8, 3x3 shortcuts": ("resnet26", {"output_stride": 8, "down_kernel_size": 3}),
    "output stride 8, blur": ("resnetblur18", {"output_stride": 8}),
    "dropout": ("resnet18", {"drop_rate": 0.3}),
    "stochastic depth": ("resnet26", {"drop_path_rate": 0.5}),
    "drop block": ("resnet18", {"drop_block_rate": 0.2}),
    "silu": ("resnet18", {"act_layer": "silu"}),
    "leaky relu": ("resnet18", {"act_layer": "leaky_relu"}),
    "max pooling": ("resnet18", {"global_pool": "max"}),
    "avgmax pooling": ("resnet18", {"global_pool": "avgmax"}),
    "catavgmax pooling": ("resnet18", {"global_pool": "catavgmax"}),
}


@pytest.mark.parametrize("case", TRAINED)
def test_training_equals_timms(case: str) -> None:
    name, options = TRAINED[case]
    zoo = ours(name, zero_init_last=False, **options)
    options = dict(options)
    if "attn_layer" in options:
        options["block_args"] = {"attn_layer": options.pop("attn_layer")}
    if options.get("aa_layer") == "blur":
        options["aa_layer"] = blur()
    timm = theirs(name, zero_init_last=False, **options)
    assert shapes(zoo) == shapes(timm)
    zoo.load_state_dict(timm.state_dict())
    images = torch.randn(2, 3, 96, 96)
    outputs = []
    for net in (zoo, timm):
        torch.manual_seed(1)  # the same paths and blocks are dropped
        outputs.append(net(images))
        outputs[-1].square().sum().backward()
    assert torch.equal(*outputs)
    for (key, one), other in zip(zoo.named_parameters(), timm.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad), key
    for (key, one), (_, other) in zip(zoo.state_dict().items(), timm.state_dict().items(), strict=True):
        assert torch.equal(one, other), key


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["resnet18", "seresnext26d_32x4d", "ecaresnet26t"])
def test_fresh_weights_are_distributed_as_timms(name: str) -> None:
    torch.manual_seed(0)
    zoo, timm = ours(name).state_dict(), theirs(name).state_dict()
    for key, value in zoo.items():
        if value.unique().numel() <= 1:
            assert torch.equal(value, timm[key]), key
        elif value.numel() > 10_000:
            assert value.std().item() == pytest.approx(timm[key].std().item(), rel=0.05), key
            assert value.abs().max().item() == pytest.approx(timm[key].abs().max().item(), rel=0.3), key
        else:
            assert value.abs().max() <= 3 * timm[key].abs().max(), key


@pytest.mark.parametrize("name", ["resnet18", "resnext50_32x4d", "wide_resnet50_2"])
def test_state_dict_equals_torchvisions(name: str) -> None:
    from torchvision import models

    with torch.device("meta"):
        assert shapes(ours(name)) == shapes(getattr(models, name)())
