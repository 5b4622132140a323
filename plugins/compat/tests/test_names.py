"""timm's names mean what they mean in timm: compared with it, live."""

from __future__ import annotations

import copy
import inspect
import itertools
from typing import TYPE_CHECKING, Any

import peers
import pytest
import torch
import zoo_core as zoo
import zoo_core.compat.timm as ours

if TYPE_CHECKING:
    from pathlib import Path

peers.prepare()
timm = pytest.importorskip("timm")
pytestmark = pytest.mark.peers


@pytest.mark.parametrize("module", ["models", "layers", "data", "utils", ""])
def test_every_argument_of_timms_is_taken(module: str) -> None:
    mine, theirs = (getattr(one, module) if module else one for one in (ours, timm))
    lacking = []
    for name in dir(mine):
        known = getattr(theirs, name, None)
        if not inspect.isfunction(known) or name in ("build_model_with_cfg", "register_model", "create_transform"):
            continue  # whose options are the network's, or which take any
        parameters = inspect.signature(getattr(mine, name)).parameters
        if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
            continue
        lacking += [f"{name}({wanted})" for wanted in inspect.signature(known).parameters if wanted not in parameters]
    # Zoo's own signatures, which take what clients give them.
    assert lacking == [each for each in lacking if each.split("(")[0] in _ZOOS_OWN]


_ZOOS_OWN = {
    *("create_feature_extractor", "create_attn", "get_attn", "get_norm_act_layer", "get_norm_layer"),
    *("adapt_model_from_file", "adapt_model_from_string", "load_custom_pretrained", "split_model_name_tag"),
    *("get_arch_name", "list_pretrained", "is_model", "is_model_pretrained", "is_model_in_modules"),
    *("freeze_batch_norm_2d", "unfreeze_batch_norm_2d", "convert_sync_batchnorm"),
}


@pytest.mark.parametrize("x", [3, (1, 2), [4, 5, 6], "same", 0.5])
def test_tuples(x: Any) -> None:
    for n in (1, 2, 3, 4):
        assert ours.layers.to_ntuple(n)(x) == timm.layers.to_ntuple(n)(x)
    assert ours.layers.extend_tuple(x, 3) == timm.layers.extend_tuple(x, 3)


def test_arithmetic() -> None:
    for v, divisor in itertools.product((1, 7, 17.3, 33, 100, 250), (4, 8, 16)):
        assert ours.layers.make_divisible(v, divisor) == timm.layers.make_divisible(v, divisor)
    for size, stride, dilation in itertools.product((1, 3, 5, 7), (1, 2), (1, 2)):
        assert ours.layers.get_padding(size, stride, dilation) == timm.layers.get_padding(size, stride, dilation)
    for depths, stagewise in (((2, 3, 4), False), ((2, 3, 4), True), (5, False)):
        mine = ours.layers.calculate_drop_path_rates(0.2, depths, stagewise)
        theirs = timm.layers.calculate_drop_path_rates(0.2, depths, stagewise)
        for one, other in zip(mine, theirs, strict=True):
            assert one == pytest.approx(other)


@pytest.mark.parametrize("fmt", ["NCHW", "NHWC", "NCL", "NLC"])
def test_layouts(fmt: str) -> None:
    x = torch.randn(2, 3, 4, 5)
    assert torch.equal(ours.layers.nchw_to(x, fmt), timm.layers.nchw_to(x, timm.layers.Format(fmt)))
    assert torch.equal(ours.layers.nhwc_to(x, fmt), timm.layers.nhwc_to(x, timm.layers.Format(fmt)))
    assert ours.layers.get_channel_dim(fmt) == timm.layers.get_channel_dim(timm.layers.Format(fmt))
    assert ours.layers.get_spatial_dim(fmt) == tuple(timm.layers.get_spatial_dim(timm.layers.Format(fmt)))


@pytest.mark.parametrize("kind", ["avg", "max", "avgmax", "catavgmax", "fast", "fastavg", "fastmax", ""])
@pytest.mark.parametrize("flatten", [True, False])
def test_pooling(kind: str, flatten: bool) -> None:
    x = torch.randn(2, 8, 5, 6)
    mine = ours.layers.SelectAdaptivePool2d(pool_type=kind, flatten=flatten)
    theirs = timm.layers.SelectAdaptivePool2d(pool_type=kind, flatten=flatten)
    if kind.startswith("fast"):  # flattens always, as timm's faster kernels do
        assert torch.allclose(mine(x).flatten(1), theirs(x).flatten(1))
    else:
        assert torch.equal(mine(x), theirs(x))
        assert mine.feat_mult() == theirs.feat_mult()


def test_modules_have_timms_keys_and_values() -> None:
    for make in (
        lambda one: one.layers.Mlp(8, 16, 4, drop=0.1),
        lambda one: one.layers.Mlp(8, use_conv=True, bias=(True, False)),
        lambda one: one.layers.ClassifierHead(8, 5, "avg", 0.2),
        lambda one: one.layers.ClassifierHead(8, 5, "avg", use_conv=True),
        lambda one: one.layers.ClassifierHead(8, 0, "max"),
    ):
        mine, theirs = make(ours).eval(), make(timm).eval()
        theirs.load_state_dict(mine.state_dict())
        convolutional = any(isinstance(module, torch.nn.Conv2d) for module in mine.modules())
        shape = (2, 8, 4, 4) if convolutional or "fc" in mine._modules else (2, 8)
        x = torch.randn(shape)
        assert torch.equal(mine(x), theirs(x)), mine


@pytest.mark.parametrize("name", ["lecun_normal_", "variance_scaling_", "trunc_normal_", "trunc_normal_tf_"])
def test_initialisers_have_timms_spread(name: str) -> None:
    stds = []
    for one in (ours, timm):
        torch.manual_seed(0)
        tensor = torch.empty(256, 256)
        getattr(one.layers, name)(tensor)
        stds.append(tensor.std().item())
    assert stds[0] == pytest.approx(stds[1], rel=0.02)


def test_grouping_is_timms() -> None:
    model = timm.create_model("resnet18")
    for matcher in (model.group_matcher(), model.group_matcher(coarse=True)):
        for reverse, values in ((True, False), (False, False)):
            mine = ours.models.group_parameters(model, matcher, return_values=values, reverse=reverse)
            assert mine == timm.models.group_parameters(model, matcher, return_values=values, reverse=reverse)


def test_walks_and_names_are_timms() -> None:
    model = timm.create_model("resnet10t")
    for depth_first, root in itertools.product((True, False), repeat=2):
        mine = [name for name, _ in ours.models.named_modules(model, "", depth_first, root)]
        assert mine == [name for name, _ in timm.models.named_modules(model, "", depth_first, root)]
    for name in ("resnet50.a1_in1k", "hf-hub:org/some-model.v1"):
        assert ours.models.safe_model_name(name) == timm.models.safe_model_name(name)
        assert ours.models.parse_model_name(name) == timm.models.parse_model_name(name)
    keys = {"module.conv.weight": 1, "_orig_mod.fc.bias": 2, "plain": 3}
    assert ours.models.clean_state_dict(keys) == timm.models.clean_state_dict(keys)


@pytest.mark.parametrize("every", [1, 2])
def test_checkpoint_seq_gives_the_same_gradients(every: int) -> None:
    steps = torch.nn.Sequential(*(torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Tanh()) for _ in range(5)))
    x = torch.randn(3, 4, requires_grad=True)
    results = []
    for run in (lambda: steps(x), lambda: ours.models.checkpoint_seq(steps, x, every=every, skip_last=True)):
        steps.zero_grad()
        run().square().sum().backward()
        results.append([parameter.grad.clone() for parameter in steps.parameters()])
    assert all(map(torch.equal, *results))


def test_checkpoints_of_a_timm_training_load(tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = timm.create_model("resnet10t", num_classes=4)
    ema = copy.deepcopy(theirs.state_dict())
    ema["fc.bias"] += 1
    path = tmp_path / "last.pth.tar"
    optimizer = torch.optim.SGD(theirs.parameters(), 0.1, momentum=0.9)
    saved = {"epoch": 3, "version": 2, "state_dict": theirs.state_dict(), "state_dict_ema": ema}
    torch.save({**saved, "optimizer": optimizer.state_dict(), "arch": "resnet10t"}, path)
    mine = ours.create_model("resnet10t", num_classes=4)
    for use_ema in (True, False):
        ours.models.load_checkpoint(mine, str(path), use_ema, "cpu", True)
        timm.models.load_checkpoint(theirs, str(path), use_ema, "cpu", True)
        assert torch.equal(mine.fc.bias, theirs.fc.bias)
    assert ours.models.resume_checkpoint(mine, str(path), optimizer, None, False) == 4
    assert ours.models.load_state_dict(str(path), False)["fc.bias"].equal(theirs.state_dict()["fc.bias"])


def test_creation_is_as_tolerant_as_timms() -> None:
    model = ours.create_model(
        "resnet18",
        False,
        None,
        None,
        "",
        None,
        True,
        True,
        True,
        global_pool="fastmax",
        block_args={"attn_layer": "se"},
    )
    assert model.in_chans == 3
    assert model.grad_checkpointing is False
    assert model.global_pool.pool_type == "max"
    with pytest.raises(RuntimeError, match="nope"):
        ours.create_model("nope")
    with pytest.raises(TypeError, match="nonsense"):
        ours.create_model("resnet18", nonsense=1)
    assert ours.get_pretrained_cfg("nope") is None
    with pytest.raises(RuntimeError, match="nope"):
        ours.get_pretrained_cfg("nope", allow_unregistered=False)
    assert ours.get_pretrained_cfg_value("resnet18", "no_such_field") is None
    assert ours.list_models("*18", "resnet") == zoo.list_models("*18", family="resnet")
    assert ours.list_models(module="densenet") == zoo.list_models(family="densenet")


def test_extractors_say_what_timms_say() -> None:
    mine, theirs = (one.create_model("resnet18", features_only=True, out_indices=(1, 3)) for one in (ours, timm))
    assert list(mine.return_layers) == list(theirs.return_layers)
    assert mine.output_fmt.value == theirs.output_fmt.value
    assert mine.feature_info.channels() == theirs.feature_info.channels()


def test_transforms_are_timms() -> None:
    image = pytest.importorskip("PIL.Image").effect_noise((301, 257), 64).convert("RGB")
    model = ours.create_model("resnet50")
    mine = ours.data.create_transform(**ours.data.resolve_data_config({}, model=model))
    theirs = timm.data.create_transform(**timm.data.resolve_data_config({}, model=timm.create_model("resnet50")))
    assert torch.equal(mine(image), theirs(image))
