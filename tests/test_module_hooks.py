"""Hooks of tools that explain, profile and quantise networks: every module that runs calls them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import zoo_core as zoo
from comparison import same_weights, theirs
from extractors import FAMILIES
from torch import nn

PEERS = ("resnet18", "densenet121", "cspresnet50", "cspdarknet53", "darknet53", "cs3darknet_m")
PEERS += ("legacy_xception", "xception41", "xception41p")
# What a gradient-weighted activation map is taken of, in timm too.
LAYERS = [
    ("densenet121", "features"),
    ("densenet121", "features.norm5"),
    ("densenet121", "features.denseblock4.denselayer16.norm2"),
    ("cspresnet50", "stages"),
    ("cspresnet50", "stages.3.blocks"),
    ("cspresnet50", "stem"),
    ("legacy_xception", "block12.rep"),
    ("xception41", "blocks"),
    ("xception41", "blocks.11.stack"),
    ("xception41p", "blocks"),
]


def events(net: nn.Module, x: torch.Tensor) -> list[tuple[str, str]]:
    """Return inputs and outputs by name, in the order of one forward."""
    seen: list[tuple[str, str]] = []
    for name, module in net.named_modules():
        module.register_forward_pre_hook(lambda _, __, name=name: seen.append(("in", name)))
        module.register_forward_hook(lambda _, __, ___, name=name: seen.append(("out", name)))
    net(x)
    return seen


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, {}) for name in FAMILIES),
        *(("test_cspnet", {"norm_layer": norm, "act_layer": "leaky_relu"}) for norm in ("iabn", "groupnorm1")),
        ("test_cspnet", {"stage_type": "dark", "block_ratio": 1.0}),
        ("test_densenet", {"memory_efficient": True}),
        ("test_densenet", {"stem_type": "deep", "aa_layer": "blur"}),
        ("test_resnet", {"attn_layer": "se", "aa_layer": "blur", "drop_path_rate": 0.1}),
        ("test_xception", {"preact": True}),
        ("cs3darknet_m", {}),
        ("legacy_xception", {}),
    ],
    ids=str,
)
def test_a_hook_on_any_module_runs(name: str, options: dict[str, Any], training: bool) -> None:
    net = zoo.create_model(name, num_classes=3, **options)
    x = torch.randn(2, 3, 64, 64)
    expected = net.eval()(x)
    runs = events(net.train(training), x)
    assert {module for _, module in runs} == {module for module, _ in net.named_modules()}
    if not training:
        assert torch.equal(net(x), expected)


@pytest.mark.peers
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", PEERS)
def test_modules_run_as_often_and_in_the_order_that_timms_do(name: str, training: bool) -> None:
    x = torch.randn(2, 3, 64, 64)
    nets = [make(name, num_classes=3).train(training) for make in (zoo.create_model, theirs)]
    common = set.intersection(*({module for module, _ in net.named_modules()} for net in nets))
    ours, timms = ([event for event in events(net, x) if event[1] in common] for net in nets)
    assert ours == timms


@pytest.mark.peers
@pytest.mark.parametrize(("name", "layer"), LAYERS)
def test_gradient_weighted_activations_are_timms(name: str, layer: str) -> None:
    nets = [make(name, num_classes=3).eval() for make in (zoo.create_model, theirs)]
    same_weights(*nets)
    x = torch.randn(1, 3, 64, 64)
    ours, timms = (weighted_activations(net, layer, x) for net in nets)
    assert torch.equal(ours, timms)
    assert ours.abs().max() > 0


def weighted_activations(net: nn.Module, layer: str, x: torch.Tensor) -> torch.Tensor:
    """As in grad-cam: a forward hook keeps the activations, and a hook on them their gradient."""
    activations: list[torch.Tensor] = []
    gradients: list[torch.Tensor] = []

    def keep(module: nn.Module, args: Any, output: torch.Tensor) -> None:
        activations.append(output.detach().clone())
        output.register_hook(lambda gradient: gradients.append(gradient.clone()))

    net.get_submodule(layer).register_forward_hook(keep)
    net(x)[0, 1].backward()
    return gradients[0].mean((2, 3), keepdim=True) * activations[0]


@pytest.mark.parametrize(
    ("name", "options", "layers"),
    [
        ("test_cspnet", {"norm_layer": "iabn", "act_layer": "leaky_relu"}, ("conv_transition", "conv_transition.conv")),
        ("test_densenet", {"memory_efficient": True}, ("norm1", "norm2", "norm1.drop")),
    ],
)
def test_a_hook_is_not_passed_by_in_training_by_what_saves_memory(name, options, layers):
    torch.manual_seed(0)
    hooked = zoo.create_model(name, num_classes=3, **options)
    plain = zoo.create_model(name, num_classes=3, **options)
    plain.load_state_dict(hooked.state_dict())
    x = torch.randn(4, 3, 64, 64)
    ran: set[str] = set()
    wanted = [module for module, _ in hooked.named_modules() if module.endswith(tuple("." + one for one in layers))]
    assert wanted
    for module in wanted:
        hooked.get_submodule(module).register_forward_hook(lambda _, __, ___, module=module: ran.add(module))
    for net in (hooked, plain):
        net(x).square().sum().backward()
    assert ran == set(wanted)
    for one, other in zip(hooked.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-4)
    for one, other in zip(hooked.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", [*FAMILIES, "legacy_xception"])
def test_a_module_that_stands_in_many_places_runs_in_each(name: str) -> None:
    net = zoo.create_model(name, num_classes=3).eval()
    x = torch.randn(1, 3, 64, 64)
    expected = net(x)
    shared = nn.ReLU()
    for module in net.modules():
        for key, child in module.named_children():
            if type(child) is nn.ReLU:
                setattr(module, key, shared)
    assert torch.equal(net(x), expected)
    taps = list(range(len(net.feature_info)))
    assert torch.equal(net.forward_intermediates(x, taps)[0], net.forward_features(x))


def test_a_norm_that_stands_twice_in_a_stem_runs_twice():
    net = zoo.create_model("test_cspnet", num_classes=3, stem_chs=(8, 8, 8)).eval()
    net.stem.conv3 = net.stem.conv2
    assert [name for kind, name in events(net, torch.randn(1, 3, 64, 64)) if kind == "in"].count("stem.conv2") == 2


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "cspresnet50", "legacy_xception", "resnetblur50"])
def test_max_pools_are_exactly_torchs(name: str) -> None:
    net = zoo.create_model(name, device="meta")
    pools = [module for module in net.modules() if isinstance(module, nn.MaxPool2d)]
    assert pools
    assert {type(pool) for pool in pools} == {nn.MaxPool2d}
