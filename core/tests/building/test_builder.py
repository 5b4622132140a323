"""`build_model_with_cfg` on core's own small network: options, default configs, loading, and
what a failure leaves."""

import copy
import dataclasses
import gc
import subprocess
import sys
from contextlib import nullcontext

import pytest
import torch
from safetensors.torch import save_file
from tiny import TinyConfig, TinyNet
from torch import nn
from zoo_core.building.build import build_model_with_cfg, describe, load_weights, wrap
from zoo_core.building.materialise import building, complete
from zoo_core.building.narrow import adapt_model_to_state_dict
from zoo_core.building.options import network_options, split_options
from zoo_core.building.resolve import resolve_default_cfg
from zoo_core.config import PretrainedCfg
from zoo_core.errors import ConfigError, FeatureError, OptionError, WeightsError
from zoo_core.weights.loading.load import load_pretrained

CFG = PretrainedCfg(num_classes=5, input_size=(3, 32, 32), first_conv="stem", classifier="fc", tag="t")


def build(pretrained=False, **options):
    options.setdefault("default_cfg", CFG)
    return build_model_with_cfg(TinyNet, "tiny", pretrained, model_cfg=TinyConfig(), **options)


@pytest.fixture
def weights(tmp_path):
    """A network with trained-looking statistics, and the file of its state dict."""
    torch.manual_seed(1)
    net = TinyNet()
    for _ in range(3):
        net(torch.randn(4, 3, 32, 32))
    path = tmp_path / "tiny.safetensors"
    save_file(net.state_dict(), path)
    return net.eval(), path


def pretrained(path, **options):
    return build(True, pretrained_cfg_overlay={"file": str(path)}, **options)


def test_a_fresh_model_has_every_tensor_in_memory_and_drawn():
    torch.manual_seed(0)
    net = build()
    assert not any(tensor.is_meta for tensor in (*net.parameters(), *net.buffers()))
    assert net.stem.weight.std() > 0.01
    assert torch.equal(net.stages[0][1].weight, torch.ones(6))
    assert torch.equal(net.stages[0][1].running_var, torch.ones(6))
    assert net.training


def test_drawing_is_determined_by_the_seed():
    torch.manual_seed(3)
    first = build().state_dict()
    torch.manual_seed(3)
    second = build().state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("mmap", [False, True, None])
def test_loaded_weights_give_the_same_bits(weights, mmap):
    net, path = weights
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(pretrained(path, mmap=mmap).eval()(x), net(x))


def test_the_configs_classes_and_channels_are_the_models():
    net = build(default_cfg=CFG.overlaid({"num_classes": 7, "input_size": [1, 32, 32]}))
    assert net(torch.zeros(1, 1, 32, 32)).shape == (1, 7)


def test_another_number_of_classes_gets_a_fresh_head(weights):
    net, path = weights
    model = pretrained(path, num_classes=9)
    assert model.fc.weight.shape == (9, 8)
    assert model.fc.weight.abs().max() <= 8**-0.5, "torch's own bounds of a linear layer"
    assert torch.equal(model.stem.weight, net.stem.weight)


def test_no_classes_no_head(weights):
    _, path = weights
    assert isinstance(pretrained(path, num_classes=0).fc, nn.Identity)


def test_a_label_offset_cuts_the_leading_rows(weights):
    net, path = weights
    model = pretrained(path, default_cfg=CFG.overlaid({"num_classes": 4, "label_offset": 1}))
    assert torch.equal(model.fc.weight, net.fc.weight[1:])
    assert torch.equal(model.fc.bias, net.fc.bias[1:])


def test_one_channel_takes_the_sum_of_the_weights(weights):
    net, path = weights
    model = pretrained(path, in_chans=1)
    assert torch.equal(model.stem.weight, net.stem.weight.sum(1, keepdim=True))


def test_more_channels_take_the_weights_in_turn(weights):
    net, path = weights
    model = pretrained(path, in_chans=5)
    expected = net.stem.weight[:, [0, 1, 2, 0, 1]] * (3 / 5)
    assert torch.equal(model.stem.weight, expected)


def test_extractors_load_classification_weights(weights):
    net, path = weights
    x = torch.randn(1, 3, 32, 32)
    (got,) = pretrained(path, features_only=True, out_indices=(1,)).eval()(x)
    assert torch.equal(got, net.stages[0](net.stem(x)))


def test_old_weights_without_batch_counters_load(weights, tmp_path):
    net, _ = weights
    state_dict = {key: value for key, value in net.state_dict().items() if "num_batches" not in key}
    save_file(state_dict, tmp_path / "old.safetensors")
    model = pretrained(tmp_path / "old.safetensors")
    assert model.stages[0][1].num_batches_tracked == 0
    assert torch.equal(model.stages[0][1].running_mean, net.stages[0][1].running_mean)


def test_half_precision_weights_become_the_models_dtype(weights, tmp_path):
    net, _ = weights
    save_file(
        {key: value.half() if value.is_floating_point() else value for key, value in net.state_dict().items()},
        tmp_path / "h.safetensors",
    )
    assert pretrained(tmp_path / "h.safetensors").stem.weight.dtype == torch.float32
    assert pretrained(tmp_path / "h.safetensors", dtype=torch.bfloat16).stem.weight.dtype == torch.bfloat16


def spoil(state_dict, kind):
    state_dict = dict(state_dict)
    if kind == "missing":
        del state_dict["stages.0.0.weight"]
    elif kind == "unexpected":
        state_dict["stages.9.weight"] = torch.zeros(1)
    elif kind == "renamed":
        state_dict["stages.0.0.wieght"] = state_dict.pop("stages.0.0.weight")
    elif kind == "misfit":
        state_dict["stages.0.0.weight"] = torch.zeros(1, 2, 3, 3)
    elif kind == "foreign":
        state_dict = {f"backbone.{key}": value for key, value in state_dict.items()}
    return state_dict


@pytest.mark.parametrize("options", [{}, {"num_classes": 9}, {"num_classes": 0}, {"features_only": True}], ids=str)
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", r"missing \(1\): stages.0.0.weight"),
        ("unexpected", r"unexpected \(1\): stages.9.weight"),
        ("renamed", r"'stages.0.0.wieght' may be the network's 'stages.0.0.weight'"),
        ("misfit", r"of another shape \(1\): stages.0.0.weight is \(1, 2, 3, 3\), the network's \(6, 4, 3, 3\)"),
        ("foreign", r"missing \(\d+\): stem.weight, .*unexpected \(\d+\): backbone"),
    ],
)
def test_weights_that_do_not_fit_are_an_error_whatever_else_is_asked(weights, tmp_path, kind, message, options):
    net, _ = weights
    path = tmp_path / "bad.safetensors"
    save_file(spoil(net.state_dict(), kind), path)
    with pytest.raises(WeightsError, match=message):
        pretrained(path, **options)


@pytest.mark.parametrize("kind", ["missing", "unexpected", "misfit", "truncated"])
def test_a_failed_load_leaves_the_model_as_it_was(weights, tmp_path, kind):
    net, good = weights
    path = tmp_path / "bad.safetensors"
    if kind == "truncated":
        path.write_bytes(good.read_bytes()[:-100])
    else:
        save_file(spoil(net.state_dict(), kind), path)
    model = TinyNet()
    before = copy.deepcopy(model.state_dict())
    identities = [id(parameter) for parameter in model.parameters()]
    with pytest.raises(WeightsError):
        load_pretrained(model, CFG.overlaid({"file": str(path)}))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert [id(parameter) for parameter in model.parameters()] == identities


def test_loading_into_a_model_keeps_its_parameters_for_its_optimiser(weights):
    net, path = weights
    model = TinyNet()
    identities = [id(parameter) for parameter in model.parameters()]
    load_pretrained(model, CFG.overlaid({"file": str(path)}))
    assert [id(parameter) for parameter in model.parameters()] == identities
    assert torch.equal(model.fc.weight, net.fc.weight)


def test_training_on_mapped_weights_never_changes_the_file(weights):
    _, path = weights
    before = path.read_bytes()
    model = pretrained(path, mmap=True)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.randn(2, 3, 32, 32)).square().sum().backward()
    optimiser.step()
    assert path.read_bytes() == before
    assert not torch.equal(model.fc.weight, pretrained(path).fc.weight)


def test_a_users_own_file_is_not_mapped_unless_asked(weights):
    net, path = weights
    model = pretrained(path).eval()
    path.write_bytes(b"")  # what would kill a process that had mapped it
    x = torch.randn(1, 3, 32, 32)
    assert torch.equal(model(x), net(x))


def test_the_models_config_is_its_own(weights):
    _, path = weights
    overlay = {"file": str(path), "mean": [0.1, 0.2, 0.3]}
    before = copy.deepcopy(overlay)
    model = build(True, pretrained_cfg_overlay=overlay)
    assert overlay == before
    assert model.default_cfg is model.pretrained_cfg
    assert model.default_cfg["mean"] == (0.1, 0.2, 0.3)
    with pytest.raises(TypeError):
        model.default_cfg["mean"] = None  # frozen, so that no model can change another's
    assert build().default_cfg["mean"] == CFG.mean
    assert build().default_cfg["file"] is None


def test_an_extractors_config_has_no_classes():
    config = build(features_only=True).default_cfg
    assert config["num_classes"] == 0
    assert config["classifier"] is None
    assert config["first_conv"] == "stem"


def test_facts_of_the_network_complete_the_config():
    config = build(default_cfg=PretrainedCfg(input_size=(3, 36, 36))).default_cfg
    assert (config["first_conv"], config["classifier"], config["pool_size"]) == ("stem", "fc", (5, 5))


def test_fields_of_the_configuration_are_options():
    assert build(widths=(4, 6, 10)).num_features == 10


def test_an_option_that_is_none_means_the_default():
    assert build(num_classes=None, drop_rate=None).num_classes == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_clases": 3}, "tiny has no option 'num_clases'. Did you mean 'num_classes'"),
        ({"zzz": 3}, "tiny has no option 'zzz'; it has drop_rate, in_chans, num_classes, widths"),
        ({"out_indices": (1,)}, "out_indices, feature_cls, output_fmt, state_dict_names need features_only=True"),
    ],
)
def test_an_option_that_does_not_exist_is_an_error(options, message):
    with pytest.raises(OptionError, match=message):
        build(**options)


def test_indices_out_of_range_say_the_range():
    with pytest.raises(FeatureError, match="this network has 3 feature maps: indices -3 to 2"):
        build(features_only=True, out_indices=(3,))


def test_a_config_that_is_none_or_has_unknown_fields_is_an_error():
    with pytest.raises(ConfigError, match=r"unknown default config field 'maen'. Did you mean 'mean'"):
        build(pretrained_cfg_overlay={"maen": 1})
    with pytest.raises(ConfigError, match="a default config must be a mapping, not 3"):
        build(pretrained_cfg=3)


def test_no_weights_no_pretrained_model():
    with pytest.raises(
        WeightsError, match=r"there are no pretrained weights for tiny.t; create it with pretrained=False"
    ):
        build(True)


def test_a_default_device_and_an_explicit_one_are_honoured():
    with torch.device("meta"):
        assert build().stem.weight.is_meta
    assert build(device="meta").stem.weight.is_meta


@pytest.mark.parametrize("fails", [False, True])
def test_building_leaves_the_garbage_collector_as_it_was(fails):
    def attempt():
        with pytest.raises(OptionError) if fails else nullcontext():
            build(**({"nope": 1} if fails else {}))

    attempt()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
    gc.disable()
    try:
        attempt()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_the_steps_can_be_taken_one_by_one(weights):
    _, path = weights
    cfg = resolve_default_cfg(CFG, overlay={"file": str(path)})
    options = network_options(TinyNet, cfg, {"num_classes": 3, "drop_rate": None, "widths": (4, 6, 8)})
    assert options == {"num_classes": 3, "in_chans": 3, "widths": (4, 6, 8)}
    arguments, options = split_options(TinyNet, "tiny", TinyConfig(), options)
    with building() as deferral:
        model = TinyNet(*arguments, **options)
        adapt_model_to_state_dict(
            model, {"stages.1.0.weight": (7, 6, 3, 3), "stages.1.1.weight": (7,), "fc.weight": (3, 7)}
        )
        cfg = describe(model, dataclasses.replace(cfg, first_conv=None))
        assert (cfg.first_conv, model.num_features, model.feature_info[-1]["num_chs"]) == ("stem", 7, 7)
        with pytest.raises(WeightsError, match="of another shape"):
            load_weights(model, "tiny", cfg)
    complete(model, deferral, dtype=torch.float64)
    assert {tensor.dtype for tensor in model.parameters()} == {torch.float64}
    extract = wrap(model, {"out_indices": (0,)}, out_indices=(1, 2))
    assert [one.shape[1] for one in extract(torch.zeros(2, 3, 32, 32, dtype=torch.float64))] == [6, 7]


def test_weights_code_is_loaded_where_weights_are():
    code = (
        "import sys, zoo_core.building.build\n"
        "from torch import nn\n"
        "zoo_core.building.build.build_model_with_cfg(nn.Identity, 'identity', False)\n"
        "print([name for name in sys.modules if name.startswith('zoo_core.weights')])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
