"""What callers pass by mistake, and the default config that a model carries."""

import copy
import pickle
from pathlib import Path

import pytest
import torch
import zoo_core
from safetensors.torch import save_file
from tiny import TinyNet
from torch import nn
from zoo_core.building.build import build_model_with_cfg
from zoo_core.config import PretrainedCfg
from zoo_core.errors import ModelNameError, OptionError


def build(**options: object) -> nn.Module:
    return build_model_with_cfg(TinyNet, "net", False, **options)


@pytest.mark.parametrize("value", ["10", 10.0, -1, True, [10]])
@pytest.mark.parametrize("name", ["num_classes", "in_chans"])
def test_a_count_that_is_none_is_said(name: str, value: object) -> None:
    with pytest.raises(OptionError, match=rf"^{name} .*: (a whole number, )?at least [01]$"):
        build(**{name: value})


@pytest.mark.parametrize("dtype", ["float61", "int64", torch.int64, 16, "relu"])
def test_a_dtype_that_is_none_is_said(dtype: object) -> None:
    with pytest.raises(OptionError, match=r"^dtype is a floating-point dtype such as torch\.bfloat16"):
        build(dtype=dtype)


@pytest.mark.parametrize("dtype", ["float16", "torch.float16", torch.float16])
def test_a_dtype_may_be_named(dtype: object) -> None:
    assert build(dtype=dtype).fc.weight.dtype == torch.float16


@pytest.fixture
def registered(registrations: None) -> None:
    zoo_core.register_model(
        lambda pretrained=False, **options: build_model_with_cfg(TinyNet, "argued", pretrained, **options),
        name="argued",
    )


@pytest.mark.parametrize(("pretrained", "hint"), [(10, "did you mean num_classes=10"), ("yes", "not 'yes'")])
def test_what_is_no_flag_is_not_taken_for_one(registered: None, pretrained: object, hint: str) -> None:
    with pytest.raises(OptionError, match=hint):
        zoo_core.create_model("argued", pretrained)


def test_an_empty_checkpoint_path_is_none(registered: None) -> None:
    """As timm's scripts pass it."""
    assert isinstance(zoo_core.create_model("argued", checkpoint_path=""), TinyNet)


class OwnLoader(TinyNet):
    """A network whose published weights are of a format of its own."""

    def load_pretrained(self, path: str) -> None:
        raise AssertionError(f"its own loader was given {path}")


@pytest.mark.parametrize("by", ["config", "builder"])
def test_a_user_s_checkpoint_is_not_for_the_network_s_own_loader(tmp_path: Path, by: str) -> None:
    state = TinyNet().state_dict()
    save_file(state, tmp_path / "mine.safetensors")
    cfg = PretrainedCfg(file=str(tmp_path / "mine.safetensors"), custom_load=by == "config", num_classes=5)
    net = build_model_with_cfg(OwnLoader, "net", True, pretrained_cfg=cfg, pretrained_custom_load=by == "builder")
    assert all(torch.equal(state[key], value) for key, value in net.state_dict().items())


def test_a_model_s_config_reads_both_ways() -> None:
    net = build(pretrained_cfg=PretrainedCfg(mean=(0.1, 0.2, 0.3), num_classes=4))
    cfg = net.pretrained_cfg
    assert isinstance(cfg, PretrainedCfg)
    assert cfg is net.default_cfg
    assert cfg["mean"] == cfg.mean == cfg.get("mean") == dict(cfg)["mean"] == {**cfg}["mean"] == (0.1, 0.2, 0.3)
    assert cfg.get("no_such_field", 3) == 3
    assert "mean" in cfg
    assert "no_such_field" not in cfg
    with pytest.raises(KeyError):
        cfg["no_such_field"]
    assert copy.deepcopy(cfg) == pickle.loads(pickle.dumps(cfg)) == PretrainedCfg.from_dict(cfg) == cfg
    assert torch.jit.script(net)(torch.zeros(1, 3, 16, 16)).shape == (1, 4)


WRONG = {
    "device": ["gpu", 3.5],
    "features_only": ["yes", 2],
    "feature_cls": [3],
    "global_pool": [3, ["avg"]],
    "drop_rate": ["0.1", [0.1]],
    "drop_path_rate": ["0.1"],
    "checkpoint_path": [3],
    "cache_dir": [3],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_value_of_a_wrong_type_is_one_line_that_names_it(name: str, value: object) -> None:
    options = {"features_only": True, name: value}
    with pytest.raises(OptionError) as raised:
        zoo_core.create_model("test_resnet", **options)
    assert str(raised.value).startswith(f"{name} ")
    assert repr(value) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("value", [3, None, Path("resnet*"), [3]])
def test_a_pattern_that_is_no_text_is_said(value: object) -> None:
    with pytest.raises(OptionError, match="text, one or several, not "):
        zoo_core.list_models(value)
    with pytest.raises(ModelNameError, match="model name must be a str"):
        zoo_core.describe(value)
