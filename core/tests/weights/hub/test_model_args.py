"""What a repository may say of its network: options within bounds, and nothing else."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import zoo_core
from hub_repositories import COMMIT, EVIL, is_good, repository
from safetensors.torch import save
from torch import nn
from weight_server import Server
from zoo_core.errors import ConfigError, OptionError, WeightsError


def test_a_repository_cannot_fill_another_s_place_in_the_cache(
    trusted_hub: Server, tmp_path: Path, by_client: bool
) -> None:
    good = f"http://127.0.0.1:{trusted_hub.port}\\@127.0.0.1:{trusted_hub.port}/org/good/resolve/{COMMIT}/model.safetensors"
    trusted_hub.add(f"/@127.0.0.1:{trusted_hub.port}/org/good/resolve/{COMMIT}/model.safetensors", save(EVIL))
    evil = repository(trusted_hub, "org/evil", model_args={"pretrained_cfg_overlay": {"url": good}})
    with pytest.raises(ConfigError, match=r"^hf-hub:org/evil: .* sets 'pretrained_cfg_overlay' in model_args"):
        zoo_core.create_model(evil, pretrained=True)
    with pytest.raises(WeightsError, match="refused"):
        zoo_core.create_model("trusted_net", pretrained=True, pretrained_cfg={"url": good})
    assert is_good(zoo_core.create_model("hf-hub:org/good", pretrained=True))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("pretrained_cfg_overlay", {"file": "/etc/passwd"}),
        ("pretrained_cfg", {"url": "http://127.0.0.1:1/x"}),
        ("cache_dir", "{tmp}/chosen"),
        ("checkpoint_path", "{tmp}/chosen"),
        ("device", "meta"),
        ("optimize", True),
        ("dtype", "float16"),
        ("mmap", True),
        ("pruned", {"fc.weight": [1, 1]}),
        ("features_only", True),
        ("out_indices", [0]),
        ("feature_cls", "hook"),
        ("feature_cfg", {}),
        ("pretrained", True),
        ("pretrained_strict", False),
        ("pretrained_filter_fn", "os:system"),
        ("pretrained_custom_load", True),
        ("model_cls", "x"),
        ("model_cfg", {}),
        ("variant", "x"),
        ("model_name", "x"),
        ("a b", 1),
        ("widths", [1_000_000, 1, 1]),
        ("widths", [4] * 2000),
        ("widths", float("nan")),
        ("widths", float("inf")),
        ("widths", 10**30),
        ("widths", "../../etc/passwd"),
        ("widths", "x" * 1000),
        ("widths", [[[[[[1]]]]]]),
    ],
)
def test_a_repository_sets_options_of_the_network_alone(
    trusted_hub: Server, tmp_path: Path, option: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    value = json.loads(json.dumps(value).replace("{tmp}", str(tmp_path)))
    name = repository(trusted_hub, "org/evil", model_args={option: value})
    for pretrained in (False, True):
        with pytest.raises(ConfigError, match=rf"^{name}: its config\.json sets '{option}' ") as caught:
            zoo_core.create_model(name, pretrained=pretrained)
        assert len(str(caught.value)) < 400
    assert not (tmp_path / "chosen").exists()


def test_an_unknown_option_of_a_repository_is_refused_by_name(trusted_hub: Server, by_client: bool) -> None:
    with pytest.raises(OptionError, match="has no option 'colour'"):
        zoo_core.create_model(repository(trusted_hub, "org/odd", model_args={"colour": 1}))


def test_what_a_network_does_have_is_set(trusted_hub: Server, by_client: bool) -> None:
    name = repository(trusted_hub, "org/wide", model_args={"widths": [8, 8, 16], "drop_rate": 0.5, "in_chans": None})
    net = zoo_core.create_model(name)
    assert (net.num_features, net.drop_rate, net.stem.in_channels) == (16, 0.5, 3)


class Deep(nn.Module):
    """A network of as many blocks as it is told."""

    def __init__(self, depths: tuple[int, ...] = (2,), num_classes: int = 1) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(nn.Identity() for depth in depths for _ in range(depth)))


def test_a_repository_cannot_ask_for_a_million_blocks(trusted_hub: Server, by_client: bool) -> None:
    from zoo_core.building.build import build_model_with_cfg

    zoo_core.register_model(
        lambda pretrained=False, **options: build_model_with_cfg(Deep, "deep_net", pretrained, **options),
        name="deep_net",
    )
    assert len(zoo_core.create_model(repository(trusted_hub, "org/a", architecture="deep_net")).blocks) == 2
    huge = repository(trusted_hub, "org/b", architecture="deep_net", model_args={"depths": [60_000] * 3})
    with pytest.raises(ConfigError, match="network of more than 100,000 modules"):
        zoo_core.create_model(huge)
