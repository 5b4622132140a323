"""Where a default config comes from, what replaces what, and what a wrong one raises, wherever
it is given."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import zoo_core
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from tiny import TinyConfig, TinyNet
from torch import nn
from zoo_core.building.build import build_model_with_cfg
from zoo_core.building.resolve import resolve_default_cfg, resolve_model
from zoo_core.config import PretrainedCfg
from zoo_core.errors import ConfigError, OptionError, WeightsError
from zoo_core.family import Family
from zoo_core.weights.loading.load import load_custom_pretrained, load_pretrained

OWN = PretrainedCfg(num_classes=5, input_size=(3, 32, 32), mean=(0.1, 0.2, 0.3))


@pytest.fixture(autouse=True)
def registered(registrations: None) -> None:
    """One model whose configs are published, one whose constructor alone knows its config."""

    def own(pretrained: bool = False, **options: Any) -> nn.Module:
        return build_model_with_cfg(TinyNet, "own", pretrained, default_cfg=OWN, **options)

    def published(pretrained: bool = False, **options: Any) -> nn.Module:
        return build_model_with_cfg(TinyNet, "published", pretrained, **options)

    tags = {"a": OWN, "b": PretrainedCfg(num_classes=7, input_size=(3, 32, 32))}
    zoo_core.register_model(own, name="own")
    zoo_core.register_model(published, name="published", pretrained=tags)


@pytest.fixture
def checkpoint(tmp_path: Path) -> tuple[nn.Module, str]:
    net, path = TinyNet(), tmp_path / "mine.safetensors"
    save_file(net.state_dict(), path)
    return net, str(path)


def repository(folder: Path, **config: Any) -> str:
    (folder / "config.json").write_text(json.dumps({"architecture": "published", **config}))
    return f"local-dir:{folder}"


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "num_classes": st.integers(0, 9),
        "mean": st.just([0.5, 0.5, 0.5]),
        "crop_pct": st.floats(0.5, 1),
        "url": st.sampled_from(["https://a.example/x.pth", "https://b.example/x.pth"]),
        "tag": st.sampled_from("abc"),
    },
)


@given(found=FIELDS | st.none(), override=FIELDS | st.none(), overlay=FIELDS | st.none())
def test_an_override_replaces_all_and_an_overlay_its_fields(found: Any, override: Any, overlay: Any) -> None:
    given = PretrainedCfg.from_dict((found or {}) if override is None else override)
    cfg = resolve_default_cfg(found, override, overlay)
    for name, value in cfg.items():
        expected = overlay[name] if overlay and name in overlay else given[name]
        assert value == (tuple(expected) if isinstance(expected, list) else expected)
    assert resolve_default_cfg(cfg) is cfg, "what is resolved is not made again"


def test_a_tag_by_itself_is_the_tag_of_the_name() -> None:
    assert zoo_core.create_model("published").num_classes == 5
    assert zoo_core.create_model("published.b").num_classes == 7
    assert zoo_core.create_model("published.a", pretrained_cfg="b").num_classes == 7
    assert resolve_model("published.a", "b").found.name == "published.b"


def test_a_repository_has_no_tags(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^pretrained_cfg 'b': local-dir:.* has no tags"):
        zoo_core.create_model(repository(tmp_path), pretrained_cfg="b")


def test_what_a_caller_says_goes_before_the_repository_s_config(tmp_path: Path) -> None:
    name = repository(tmp_path, num_classes=4, pretrained_cfg={"crop_pct": 0.9})
    net = zoo_core.create_model(name, pretrained_cfg_overlay={"crop_pct": 0.8})
    assert (net.num_classes, net.pretrained_cfg["crop_pct"]) == (4, 0.8)


@pytest.mark.parametrize("name", ["own", "published"])
def test_a_checkpoint_keeps_the_rest_of_the_default_config(name: str, checkpoint: tuple[nn.Module, str]) -> None:
    """The constructor's own, too: its classes are those of the file."""
    net, path = checkpoint
    made = zoo_core.create_model(name, checkpoint_path=path, pretrained_cfg_overlay={"crop_pct": 0.8})
    assert torch.equal(made.fc.weight, net.fc.weight)
    assert (made.pretrained_cfg["mean"], made.pretrained_cfg["crop_pct"]) == (OWN.mean, 0.8)


@pytest.mark.parametrize("name", ["own", "published"])
def test_a_checkpoint_of_other_classes_is_an_error_that_names_their_number(name: str, tmp_path: Path) -> None:
    net, path = TinyNet(num_classes=7), tmp_path / "mine.safetensors"
    save_file(net.state_dict(), path)
    told = rf"^the weights in {path} are for 7 classes, the network for the 5 of its config: give num_classes=7$"
    with pytest.raises(WeightsError, match=told) as caught:
        zoo_core.create_model(name, checkpoint_path=path)
    assert isinstance(caught.value, RuntimeError), "which timm raises"
    assert caught.value.num_classes == 7
    assert torch.equal(zoo_core.create_model(name, checkpoint_path=path, num_classes=7).fc.weight, net.fc.weight)


def test_chosen_classes_draw_a_fresh_classifier_for_a_checkpoint(checkpoint: tuple[nn.Module, str]) -> None:
    net, path = checkpoint
    for options in ({"num_classes": 3}, {"num_classes": 7, "pretrained_cfg_overlay": {"num_classes": 5}}):
        made = zoo_core.create_model("published.b", checkpoint_path=path, **options)
        assert torch.equal(made.stem.weight, net.stem.weight)
        assert made.fc.weight.shape == (options["num_classes"], 8)
    extractor = zoo_core.create_model("published.b", checkpoint_path=path, features_only=True)
    assert torch.equal(extractor.state_dict()["stem.weight"], net.stem.weight)


@pytest.mark.parametrize("name", ["own", "published"])
def test_a_classifier_that_a_checkpoint_should_have_is_missing(name: str, tmp_path: Path) -> None:
    net, path = TinyNet(num_classes=0), tmp_path / "backbone.safetensors"
    save_file(net.state_dict(), path)
    with pytest.raises(WeightsError, match=r"do not fit the network: missing \(2\): fc\.weight, fc\.bias$"):
        zoo_core.create_model(name, checkpoint_path=path)
    chosen = ({"num_classes": 0}, {"num_classes": 3}, {"num_classes": 5, "pretrained_cfg_overlay": {"num_classes": 0}})
    for options in chosen:
        made = zoo_core.create_model(name, checkpoint_path=path, **options)
        assert torch.equal(made.stem.weight, net.stem.weight)
        assert made.num_classes == options["num_classes"]


def test_weights_of_another_place_are_not_said_to_be_the_tag_s(checkpoint: tuple[nn.Module, str]) -> None:
    made = zoo_core.create_model("published", pretrained=True, pretrained_cfg_overlay={"file": checkpoint[1]})
    assert "weights" not in made.made_with


GIVEN: dict[str, Callable[[Any, Path], object]] = {
    "create_model": lambda cfg, _: zoo_core.create_model("published", pretrained_cfg=cfg),
    "create_model, overlay": lambda cfg, _: zoo_core.create_model("published", pretrained_cfg_overlay=cfg),
    "create_model, overlay of the constructor's": lambda cfg, _: zoo_core.create_model(
        "own", pretrained_cfg_overlay=cfg
    ),
    "constructor": lambda cfg, _: build_model_with_cfg(TinyNet, "t", False, default_cfg=cfg),
    "constructor, override": lambda cfg, _: build_model_with_cfg(TinyNet, "t", False, pretrained_cfg=cfg),
    "constructor, overlay": lambda cfg, _: build_model_with_cfg(TinyNet, "t", False, pretrained_cfg_overlay=cfg),
    "loading": lambda cfg, _: load_pretrained(TinyNet(), cfg),
    "loading by the network": lambda cfg, _: load_custom_pretrained(TinyNet(), cfg, load_fn=lambda *_: None),
    "repository": lambda cfg, folder: zoo_core.create_model(repository(folder, pretrained_cfg=cfg)),
}


@pytest.mark.parametrize("cfg", [{"mean": "grey"}, {"input_size": [224]}, [1], 3], ids=str)
@pytest.mark.parametrize("where", GIVEN)
def test_a_wrong_config_is_a_config_error_wherever_it_is_given(where: str, cfg: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        GIVEN[where](cfg, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("where", [where for where in GIVEN if where != "repository"])
def test_a_field_that_does_not_exist_is_named_wherever_it_is_given(where: str, tmp_path: Path) -> None:
    """A repository may have fields of other programs."""
    with pytest.raises(ConfigError, match=r"unknown default config field 'maen'. Did you mean 'mean'"):
        GIVEN[where]({"maen": 1}, tmp_path)


def test_a_family_s_own_config_is_the_default_where_none_is_given() -> None:
    family = Family(
        name="tiny",
        package=__name__,
        network="tiny:TinyNet",
        architectures={"net": TinyConfig()},
        pretrained={"net.a": OWN},
    )
    assert family.constructor("net")(pretrained_cfg=None).num_classes == OWN.num_classes
    assert family.constructor("net")(pretrained_cfg_overlay={"num_classes": 3}).num_classes == 3
    with pytest.raises(OptionError, match="net has no option 'default_cfg': its family decides that"):
        family.constructor("net")(default_cfg=OWN)
