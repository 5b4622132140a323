"""Every one of timm's model modules: small architectures are created, run, saved and loaded."""

from __future__ import annotations

import gc

import peers
import pytest
import torch
import zoo_core as zoo
from twins import assert_same, named, outputs, pair, weights
from zoo_core import registry
from zoo_core.config import PretrainedCfg

pytestmark = pytest.mark.peers
EACH = 4
"""Of every module, the smallest so many: more than 300 in all."""
LARGEST = 120e6
"""Parameters of one that is created in memory."""
KEPT = ("architecture", "num_classes", "input_size", "fixed_input_size", "pool_size", "interpolation", "crop_pct")
KEPT += ("crop_mode", "mean", "std", "first_conv", "classifier")
"""Fields of a config that are true of a saved model too."""


def manifest():
    (plugin,) = (plugin for plugin in registry.plugins() if plugin.distribution == "zoo-timm")
    return plugin.manifest


def smallest(count):
    """Module and architecture, the smallest of each module by parameters."""
    table, chosen = manifest(), {}
    sizes = {name: row["parameters"] for name, row in table.facts.items()}
    for name in sorted(table.names, key=lambda name: (sizes.get(name, 0), name)):
        of_module = chosen.setdefault(table.family_of(name), [])
        if len(of_module) < count and (sizes.get(name, 0) < LARGEST or not of_module):
            of_module.append(name)
    return [name for names in chosen.values() for name in names]


def marked(names, sample):
    """Test parameters: those in the sample are heavy, the others wait for `make exhaustive`."""
    return [pytest.param(name, marks=pytest.mark.heavy if name in sample else pytest.mark.exhaustive) for name in names]


@pytest.fixture(scope="module", autouse=True)
def timm():
    peers.prepare()
    import timm

    # A look for garbage after each test takes a fifth of a second, but for what is here for good.
    gc.collect()
    gc.freeze()
    yield timm
    gc.unfreeze()


@pytest.fixture(autouse=True)
def collected():
    yield
    gc.collect()


def made(timm, name, folder):
    """A file of weights for an architecture."""
    torch.manual_seed(7)
    return weights(timm.create_model(name), folder / "weights.safetensors")


@pytest.mark.heavy
def test_there_are_enough():
    assert len(smallest(EACH)) >= 300
    assert {manifest().family_of(name) for name in smallest(1)} == set(map(manifest().family_of, manifest().names))


@pytest.mark.parametrize("name", marked(smallest(EACH), smallest(1)))
def test_tensors_and_logits_are_timms(timm, tmp_path, name):
    theirs, ours = pair(name, made(timm, name, tmp_path))
    assert_same(theirs, ours)
    size = size_for(zoo.get_pretrained_cfg(f"zoo-timm/{name}"))
    expected, got = (listed(outputs(net, size)) for net in (theirs, ours))
    for one, other in zip(expected, got, strict=True):
        assert one.isfinite().all(), "nothing is compared where all is NaN"
        assert one.std() > 0
        assert torch.equal(one, other)


def size_for(cfg):
    """The size of a network's images, or a small one where it takes any and its own is large.

    At 546 pixels one network takes a minute for an image; at 126 the same layers run.
    """
    if cfg.fixed_input_size or cfg.input_size[1] < 384:
        return cfg.input_size
    return cfg.min_input_size or (cfg.input_size[0], 224, 224)


def listed(output):
    """The tensors that a network yields: logits, or those of an encoder."""
    return [output] if isinstance(output, torch.Tensor) else list(output)


@pytest.mark.parametrize("name", marked(smallest(1), smallest(1)[::8]))
def test_it_is_saved_and_comes_back_the_same(timm, tmp_path, name):
    overlay = {"file": str(made(timm, name, tmp_path))}
    net = zoo.create_model(f"zoo-timm/{name}", True, pretrained_cfg_overlay=overlay)
    zoo.save_for_hub(net, tmp_path / "saved", license="mit")
    again = zoo.create_model(f"local-dir:{tmp_path / 'saved'}", True)
    assert_same(net, again)
    cfg, saved = (PretrainedCfg.from_dict(model.pretrained_cfg) for model in (net, again))
    assert {field: getattr(saved, field) for field in KEPT} == {field: getattr(cfg, field) for field in KEPT}


@pytest.mark.parametrize("name", marked(manifest().names, manifest().names[::20]))
def test_on_the_meta_device_shapes_and_feature_maps_are_timms(timm, name):
    ours = zoo.create_model(f"zoo-timm/{name}", device="meta")
    with torch.device("meta"):
        theirs = timm.create_model(name)
    shapes = [{key: (tensor.shape, tensor.dtype) for key, tensor in named(net).items()} for net in (theirs, ours)]
    assert shapes[0] == shapes[1]
    rows = [list(getattr(net.feature_info, "info", net.feature_info)) for net in (theirs, ours)]
    assert rows[0] == rows[1]
    facts = manifest().facts[name]
    assert facts["parameters"] == sum(parameter.numel() for parameter in theirs.parameters())
    assert facts["channels"] == [row["num_chs"] for row in rows[0]]
    assert facts["reductions"] == [row["reduction"] for row in rows[0]]


@pytest.mark.parametrize("name", marked(manifest().names, smallest(1)[::4]))
def test_an_encoder_is_known_before_it_is_built(name):
    """Channels and strides as segmentation_models_pytorch asks for them, after building one."""
    known = zoo.describe(f"zoo-timm/{name}")
    maps = tuple(index for index, module in enumerate(known.modules) if module)  # tresnet's stem has none
    encoder = zoo.create_model(f"zoo-timm/{name}", features_only=True, out_indices=maps, device="meta")
    assert encoder.feature_info.channels() == [known.channels[index] for index in maps]
    assert encoder.feature_info.reduction() == [known.reductions[index] for index in maps]
