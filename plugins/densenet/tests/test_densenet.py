"""The family by itself: tables, options, the published sizes, and what a user can do with any of
its networks."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import torch
import zoo_densenet
from torch import nn
from zoo_core.errors import OptionError
from zoo_densenet.architectures import ALIASES, ARCHITECTURES
from zoo_densenet.model import DenseNet, filter_torchvision
from zoo_densenet.pretrained import PRETRAINED

if TYPE_CHECKING:
    from pathlib import Path

SMALL = {"growth_rate": 8, "block_config": (2, 2, 2, 2)}


def on_meta(name: str, **options: object) -> DenseNet:
    with torch.device("meta"):
        return DenseNet(ARCHITECTURES[name], **options)


def parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def small(name: str, **options: object) -> DenseNet:
    """The architecture with few and narrow layers, in eval mode, drawn from seed 0."""
    torch.manual_seed(0)
    return getattr(zoo_densenet, name)(**SMALL, num_classes=5, **options).eval()


def published_parameters(name: str, num_classes: int = 1000) -> int:
    """Counted from the paper's table 1 alone: convolutions, two numbers per normalised channel,
    classifier."""
    cfg = ARCHITECTURES[name]
    k = cfg.growth_rate
    stem = [3, k, k, 2 * k] if cfg.stem_type == "deep" else [3, 2 * k]
    kernel = 9 if cfg.stem_type == "deep" else 49
    total = sum(before * after * kernel + 2 * after for before, after in pairwise(stem))
    chs = 2 * k
    for index, depth in enumerate(cfg.block_config):
        if index:
            total += 2 * chs + chs * (chs // 2)
            chs //= 2
        for _ in range(depth):
            total += 2 * chs + chs * 4 * k + 2 * 4 * k + 4 * k * k * 9
            chs += k
    return total + 2 * chs + chs * num_classes + num_classes


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_parameter_counts_follow_from_the_paper(name: str) -> None:
    assert parameters(on_meta(name)) == published_parameters(name)


@pytest.mark.parametrize(
    ("name", "count"), [("densenet121", 7_978_856), ("densenet161", 28_681_000), ("densenet264d", 72_736_216)]
)
def test_published_parameter_counts(name: str, count: int) -> None:
    assert parameters(on_meta(name)) == count


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if not name.startswith("test_")])
def test_the_number_in_a_name_counts_its_layers(name: str) -> None:
    layers = sum(isinstance(module, nn.Conv2d | nn.Linear) for module in on_meta(name).modules())
    deep = 2 if ARCHITECTURES[name].stem_type == "deep" else 0  # a deep stem counts as the one layer it replaces
    # The paper's 264 has 265 layers: 2 x (6 + 12 + 64 + 48) in the blocks, 3 transitions, stem and
    # classifier.
    assert int("".join(filter(str.isdigit, name))) == layers - deep - ("264" in name)


def test_tables_agree_with_each_other() -> None:
    assert list(ARCHITECTURES) == sorted(ARCHITECTURES)
    assert ALIASES == {"tv_densenet121": "densenet121.tv_in1k"}
    assert all(target in PRETRAINED for target in ALIASES.values())
    assert zoo_densenet.FAMILY.default_cfg("densenet121").tag == "ra_in1k"


def test_the_extras_are_their_siblings_with_another_stem_or_norm() -> None:
    assert ARCHITECTURES["densenet264"] == replace(ARCHITECTURES["densenet264d"], stem_type="")
    assert ARCHITECTURES["densenet121d"] == replace(ARCHITECTURES["densenetblur121d"], aa_layer=None)
    shapes = [
        {key: value.shape for key, value in on_meta(name).state_dict().items()}
        for name in ("densenet264d", "densenet264d_iabn")
    ]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_forward_backward_and_maps(name: str) -> None:
    net = small(name).train()
    x = torch.randn(2, 3, 64, 70)
    out, maps = net.forward_intermediates(x)
    assert [tuple(feature.shape[1:]) for feature in maps] == [
        (info["num_chs"], -(-64 // info["reduction"]), (35, 18, 9, 4, 2)[index])
        for index, info in enumerate(net.feature_info)
    ]
    assert torch.equal(out, maps[-1])
    net(x).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in net.parameters())


@pytest.mark.parametrize("stem", ["", "deep"])
def test_maps_are_the_outputs_of_the_modules_they_name(stem: str) -> None:
    net = small("densenet121", stem_type=stem)
    seen: dict[str, torch.Tensor] = {}
    for name in (info["module"] for info in net.feature_info):
        net.get_submodule(name).register_forward_hook(lambda _, __, out, name=name: seen.update({name: out}))
    maps = net.forward_intermediates(torch.randn(1, 3, 64, 64), intermediates_only=True)
    assert all(torch.equal(feature, out) for feature, out in zip(maps, seen.values(), strict=True))
    assert maps[-1].min() == 0  # the final norm activates


def test_options_reach_the_network() -> None:
    net = small("densenet121", in_chans=1, drop_rate=0.1, proj_drop_rate=0.2, act_layer="silu", norm_layer="groupnorm1")
    assert net.features.conv0.in_channels == 1
    assert net.head_drop.p == 0.1
    assert net.features.denseblock1.denselayer1.drop.p == 0.2
    assert isinstance(net.features.norm5.act, nn.SiLU)
    assert "features.norm5.running_mean" not in net.state_dict()
    assert small("densenet121", global_pool="catavgmax").head_hidden_size == 2 * net.num_features
    blurred = small("densenet121", aa_layer="blur", aa_stem_only=False)
    assert type(blurred.features.transition1.pool).__name__ == "BlurPool2d"
    assert blurred(torch.randn(1, 3, 64, 64)).shape == (1, 5)
    assert small("densenet121", aa_layer="avg")(torch.randn(1, 3, 64, 64)).shape == (1, 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"drop_path_rate": 0.1}, "densenet121 has no option 'drop_path_rate'"),
        ({"grow_rate": 12}, "Did you mean 'growth_rate'"),
        ({"stem_type": "steep"}, "unknown stem_type 'steep': expected one of '', 'deep'"),
        ({"norm_layer": "iabn"}, "cannot invert 'relu'"),
    ],
)
def test_mistakes_say_what_is_wrong(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        zoo_densenet.densenet121(**options)


def test_reset_classifier() -> None:
    net = small("densenet121")
    x = torch.randn(2, 3, 64, 64)
    features = net.forward_head(net.forward_features(x), pre_logits=True)
    net.reset_classifier(0)
    assert torch.equal(net(x), features)
    net.reset_classifier(7, "max")
    assert net(x).shape == (2, 7)
    assert net.num_classes == 7
    with pytest.raises(OptionError, match="unknown global_pool 'mx'"):
        net.reset_classifier(5, "mx")
    assert (net.num_classes, net(x).shape) == (7, (2, 7))


def test_initial_draws() -> None:
    net = on_meta("densenet121").to_empty(device="cpu")
    torch.manual_seed(0)
    net.init_weights()
    conv = net.features.denseblock4.denselayer16.conv1.weight
    assert conv.std().item() == pytest.approx((2 / 992) ** 0.5, rel=0.02)  # fan-in
    assert (net.classifier.bias == 0).all()
    assert net.classifier.weight.abs().max().item() == pytest.approx(1024**-0.5, rel=0.01)
    assert (net.features.norm5.weight == 1).all()
    assert (net.features.norm5.running_var == 1).all()


def test_blur_filter_survives_the_meta_device() -> None:
    net = on_meta("densenetblur121d").to_empty(device="cpu")
    net.init_weights()
    assert net.features.pool0[1].filt[0, 0].tolist() == [
        [0.0625, 0.125, 0.0625],
        [0.125, 0.25, 0.125],
        [0.0625, 0.125, 0.0625],
    ]


def test_old_torchvision_files_load(tmp_path: Path) -> None:
    net = small("densenet121")
    old = {
        name.replace(".norm1.", ".norm.1.")
        .replace(".norm2.", ".norm.2.")
        .replace(".conv1.", ".conv.1.")
        .replace(".conv2.", ".conv.2."): value
        for name, value in net.state_dict().items()
    }
    keys = list(old)
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    path = tmp_path / "densenet121-a639ec97.pth"
    torch.save(old, path)
    options = {"num_classes": 5, "pretrained_cfg_overlay": {"file": str(path), "num_classes": 5, "hf_hub_id": None}}
    loaded = zoo_densenet.densenet121(pretrained=True, **SMALL, **options).eval()
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(loaded(x), net(x))
    assert list(filter_torchvision(old, net)) == list(net.state_dict())
    assert list(old) == keys


def test_digits_weights_are_in_the_package() -> None:
    net = zoo_densenet.test_densenet(pretrained=True).eval()
    assert net.num_classes == 10
    assert parameters(net) < 200_000
    assert net(torch.zeros(1, 3, 32, 32)).shape == (1, 10)


def test_parameters_group_from_input_to_output() -> None:
    import re

    net = on_meta("densenet121")
    for coarse in (False, True):
        matcher = net.group_matcher(coarse)
        blocks = [matcher["blocks"]] if coarse else [pattern for pattern, _ in matcher["blocks"]]
        rest = [
            name
            for name, _ in net.named_parameters()
            if not any(re.match(pattern, name) for pattern in (matcher["stem"], *blocks))
        ]
        assert rest == ["features.norm5.weight", "features.norm5.bias", "classifier.weight", "classifier.bias"]
