"""What comparisons of a network of ours with timm's share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from zoo_core.network.infer import completed

if TYPE_CHECKING:
    from zoo_core.family import Family

FACTS = Path(__file__).parent / "facts"


def architecture_facts(family: str) -> dict[str, dict[str, Any]]:
    """Architecture to what is known of it."""
    facts = json.loads((FACTS / "architectures.json").read_text())
    return {name: row for name, row in facts.items() if row["family"] == family}


def pretrained_facts(family: str) -> dict[str, dict[str, Any]]:
    """``architecture.tag`` to the fields of its default config."""
    facts = json.loads((FACTS / "pretrained.json").read_text())
    return {name: row for name, row in facts.items() if name.partition(".")[0] in architecture_facts(family)}


def assert_network_is_as_stated(net: nn.Module, facts: dict[str, Any]) -> None:
    """Parameters, widths and feature maps."""
    assert sum(parameter.numel() for parameter in net.parameters()) == facts["parameters"]
    assert (net.num_features, net.head_hidden_size) == (facts["num_features"], facts["head_hidden_size"])
    stated = facts["features"]
    assert [entry["num_chs"] for entry in net.feature_info] == stated["channels"]
    assert [entry["reduction"] for entry in net.feature_info] == stated["reduction"]
    assert [entry["module"] for entry in net.feature_info] == stated["module"]


def assert_config_is_as_stated(family: Family, name: str, facts: dict[str, Any]) -> None:
    """Every field of a default config, derived ones included, and no other."""
    architecture = name.partition(".")[0]
    with torch.device("meta"):
        net = family.network_class(family.architectures[architecture])
    cfg = family.pretrained[name]
    fields = json.loads(json.dumps(completed(net, cfg).to_dict()))
    assert {key: value for key, value in fields.items() if value is not None and key != "label_offset"} == facts


def theirs(name: str, **options: Any) -> nn.Module:
    """timm's network; layers by the names that are common to both."""
    import timm

    if options.get("aa_layer") == "blur":
        options["aa_layer"] = timm.layers.BlurPool2d
    return timm.create_model(name, **options)


def shapes(net: nn.Module) -> list[tuple[str, torch.Size]]:
    return [(key, value.shape) for key, value in net.state_dict().items()]


def draw_norms(net: nn.Module) -> None:
    """Random scales, shifts and statistics: a fresh block's last scale is often zero, which would hide the block."""
    torch.manual_seed(0)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
            nn.init.uniform_(module.weight, 0.5, 1.0)
            nn.init.normal_(module.bias, std=0.1)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.normal_(module.running_mean, std=0.1)


def same_weights(source: nn.Module, target: nn.Module) -> None:
    """Random weights and statistics in which every layer counts, in both."""
    draw_norms(source)
    target.load_state_dict(source.state_dict())


def maps_by_hooks(net: nn.Module, images: Tensor) -> list[Tensor]:
    """What the modules that `feature_info` names yield, each before a later one can work on it in place."""
    maps: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        return lambda module, args, output: maps.update({name: output.clone()})

    names = [entry["module"] for entry in net.feature_info]
    handles = [net.get_submodule(name).register_forward_hook(keep(name)) for name in names]
    net(images)
    for handle in handles:
        handle.remove()
    return [maps[name] for name in names]


def assert_same_names_and_maps(zoo: nn.Module, timm: nn.Module) -> None:
    assert shapes(zoo) == shapes(timm)
    assert [key for key, _ in zoo.named_parameters()] == [key for key, _ in timm.named_parameters()]
    assert zoo.feature_info == [dict(entry) for entry in timm.feature_info]
    assert zoo.num_features == timm.num_features


@torch.no_grad()
def assert_same_maps_and_logits(zoo: nn.Module, timm: nn.Module, in_chans: int = 3) -> None:
    """Bit for bit, on the same weights and images of odd height and width."""
    same_weights(timm, zoo)
    images = torch.randn(1, in_chans, 75, 91)
    zoo, timm = zoo.eval(), timm.eval()
    features, maps = zoo.forward_intermediates(images)
    assert torch.equal(features, timm.forward_features(images))
    for entry, one, other in zip(zoo.feature_info, maps, maps_by_hooks(timm, images), strict=True):
        assert one.shape[1] == entry["num_chs"]
        assert torch.equal(one, other), entry["module"]
    logits = timm(images)
    assert logits.isfinite().all()
    assert torch.equal(zoo(images), logits)
    assert torch.equal(zoo.forward_head(features, pre_logits=True), timm.forward_head(features, pre_logits=True))


def assert_same_training(zoo: nn.Module, timm: nn.Module) -> None:
    """The outputs, gradients and statistics of one step, bit for bit on the same weights."""
    assert shapes(zoo) == shapes(timm)
    zoo.load_state_dict(timm.state_dict())
    images = torch.randn(2, 3, 64, 64)
    outputs = []
    for net in (zoo.train(), timm.train()):
        torch.manual_seed(1)  # the same paths and features are dropped
        outputs.append(net(images))
        outputs[-1].square().sum().backward()
    assert torch.equal(*outputs)
    for (key, one), other in zip(zoo.named_parameters(), timm.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad), key
    for (key, one), (_, other) in zip(zoo.state_dict().items(), timm.state_dict().items(), strict=True):
        assert torch.equal(one, other), key


def assert_same_distributions(zoo: nn.Module, timm: nn.Module) -> None:
    """Fresh weights: the same constants, and the same spread of what is drawn."""
    expected = timm.state_dict()
    for key, value in zoo.state_dict().items():
        if value.unique().numel() <= 1:
            assert torch.equal(value, expected[key]), key
        elif value.numel() > 10_000:
            assert value.std().item() == pytest.approx(expected[key].std().item(), rel=0.05), key
            assert value.abs().max().item() == pytest.approx(expected[key].abs().max().item(), rel=0.3), key
        else:
            assert value.abs().max() <= 3 * expected[key].abs().max(), key
