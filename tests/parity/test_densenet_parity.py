"""The DenseNet family against timm and torchvision, bit for bit on the same weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from zoo_densenet import FAMILY

pytestmark = pytest.mark.peers

SHARED = ["densenet121", "densenet161", "densenet169", "densenet201", "densenet264d", "densenetblur121d"]
SHORT = {"block_config": (2, 2, 2, 2)}


def ours(name: str, **options: Any) -> nn.Module:
    return FAMILY.constructor(name)(**options)


def theirs(name: str, **options: Any) -> nn.Module:
    import timm

    if options.get("aa_layer") == "blur":
        options["aa_layer"] = timm.layers.BlurPool2d
    return timm.create_model(name, **options)


def shapes(net: nn.Module) -> list[tuple[str, torch.Size]]:
    return [(key, value.shape) for key, value in net.state_dict().items()]


def same_weights(source: nn.Module, target: nn.Module) -> None:
    """Random weights and statistics in which every layer counts, in both."""
    torch.manual_seed(0)
    for module in source.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.normal_(module.running_mean, std=0.1)
    target.load_state_dict(source.state_dict())


def assert_same_maps_and_logits(zoo: nn.Module, timm: nn.Module, in_chans: int = 3) -> None:
    same_weights(timm, zoo)
    images = torch.randn(1, in_chans, 65, 98)
    with torch.no_grad():
        features, maps = timm.eval().forward_intermediates(images)
        our_features, our_maps = zoo.eval().forward_intermediates(images)
        assert all(torch.equal(one, other) for one, other in zip(our_maps, maps, strict=True))
        assert torch.equal(our_features, features)
        logits = timm(images)
        assert logits.isfinite().all()
        assert torch.equal(zoo(images), logits)
        assert torch.equal(zoo.forward_head(features, pre_logits=True), timm.forward_head(features, pre_logits=True))


@pytest.mark.parametrize("name", SHARED)
def test_names_shapes_order_and_maps_equal_timms(name: str) -> None:
    with torch.device("meta"):
        zoo, timm = ours(name), theirs(name)
    assert shapes(zoo) == shapes(timm)
    assert [key for key, _ in zoo.named_parameters()] == [key for key, _ in timm.named_parameters()]
    assert zoo.feature_info == list(timm.feature_info)
    assert (zoo.num_features, zoo.head_hidden_size) == (timm.num_features, timm.head_hidden_size)


@pytest.mark.parametrize("name", ["densenet121", "densenetblur121d"])
def test_logits_and_maps_equal_timms(name: str) -> None:
    assert_same_maps_and_logits(ours(name), theirs(name))


@pytest.mark.heavy
@pytest.mark.parametrize("name", sorted({*SHARED} - {"densenet121", "densenetblur121d"}))
def test_logits_and_maps_equal_timms_everywhere(name: str) -> None:
    assert_same_maps_and_logits(ours(name), theirs(name))


@pytest.mark.parametrize("options", [{"in_chans": 1}, {"in_chans": 4, "num_classes": 10}, {"num_classes": 0}], ids=str)
@pytest.mark.parametrize("name", SHARED)
def test_other_channels_and_classes_equal_timms(name: str, options: dict[str, int]) -> None:
    zoo, timm = ours(name, **SHORT, **options), theirs(name, **SHORT, **options)
    assert_same_maps_and_logits(zoo, timm, options.get("in_chans", 3))


@pytest.mark.parametrize("wanted", [(0,), (1, 3), (4,)])
@pytest.mark.parametrize("name", ["densenet121", "densenetblur121d"])
def test_extracted_features_equal_timms(name: str, wanted: tuple[int, ...]) -> None:
    options = {**SHORT, "features_only": True, "out_indices": wanted}
    zoo, timm = ours(name, **options).eval(), theirs(name, **options).eval()
    assert zoo.feature_info.channels() == timm.feature_info.channels()
    assert zoo.feature_info.reduction() == timm.feature_info.reduction()
    weights = {key.replace("features_", "features.", 1): value for key, value in timm.state_dict().items()}
    zoo.load_state_dict(weights)
    images = torch.randn(1, 3, 64, 96)
    assert all(torch.equal(one, other) for one, other in zip(zoo(images), timm(images), strict=True))


TRAINED: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("densenet121", {}),
    "deep stem": ("densenet264d", {}),
    "blur": ("densenetblur121d", {}),
    "tiered stem": ("densenet121", {"stem_type": "deep_tiered"}),
    "narrow tiered stem": ("densenet161", {"stem_type": "deep_tiered_narrow"}),
    "blur everywhere": ("densenet121", {"aa_layer": "blur", "aa_stem_only": False}),
    "bottleneck": ("densenet121", {"bn_size": 2}),
    "three blocks": ("densenet121", {"block_config": (2, 1, 2)}),
    "dropout": ("densenet121", {"drop_rate": 0.3}),
    "dropout in every layer": ("densenet121", {"proj_drop_rate": 0.3}),
    "silu": ("densenet121", {"act_layer": "silu"}),
    "leaky relu": ("densenet121", {"act_layer": "leaky_relu"}),
    "group norm": ("densenet121", {"norm_layer": "groupnorm"}),
    "max pooling": ("densenet121", {"global_pool": "max"}),
    "catavgmax pooling": ("densenet121", {"global_pool": "catavgmax"}),
}


@pytest.mark.parametrize("case", TRAINED)
def test_training_equals_timms(case: str) -> None:
    name, options = TRAINED[case]
    options = {**SHORT, **options}
    zoo, timm = ours(name, **options), theirs(name, **options)
    assert shapes(zoo) == shapes(timm)
    zoo.load_state_dict(timm.state_dict())
    images = torch.randn(2, 3, 96, 96)
    outputs = []
    for net in (zoo, timm):
        torch.manual_seed(1)  # the same values are dropped
        outputs.append(net.train()(images))
        outputs[-1].square().sum().backward()
    assert torch.equal(*outputs)
    for (key, one), other in zip(zoo.named_parameters(), timm.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad), key
    for (key, one), (_, other) in zip(zoo.state_dict().items(), timm.state_dict().items(), strict=True):
        assert torch.equal(one, other), key


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["densenet121", "densenetblur121d"])
def test_fresh_weights_are_distributed_as_timms(name: str) -> None:
    torch.manual_seed(0)
    zoo, timm = ours(name).state_dict(), theirs(name).state_dict()
    for key, value in zoo.items():
        if value.unique().numel() <= 1:
            assert torch.equal(value, timm[key]), key
        else:
            assert value.std().item() == pytest.approx(timm[key].std().item(), rel=0.1), key
            assert value.abs().max() <= 1.5 * timm[key].abs().max(), key


@pytest.mark.parametrize("name", ["densenet121", "densenet161", "densenet169", "densenet201"])
def test_state_dict_equals_torchvisions(name: str) -> None:
    from torchvision import models

    with torch.device("meta"):
        assert shapes(ours(name)) == shapes(getattr(models, name)())


def test_logits_equal_torchvisions() -> None:
    from torchvision import models

    zoo, torchvision = ours("densenet121").eval(), models.densenet121().eval()
    zoo.load_state_dict(torchvision.state_dict())
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        assert torch.equal(zoo(images), torchvision(images))
