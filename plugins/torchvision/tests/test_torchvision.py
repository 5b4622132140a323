"""The classifiers are torchvision's: names, weights, transforms, networks, bit for bit."""

from __future__ import annotations

import math
import subprocess
import sys

import peers
import pytest
import torch
import zoo_core as zoo
from zoo_core import registry
from zoo_core.config import PretrainedCfg
from zoo_core.discovery import doctor
from zoo_core.errors import OptionError, WeightsError
from zoo_core.weights.loading.adapt import adapt_input_conv

pytestmark = pytest.mark.peers
SMALL = ("squeezenet1_1", "mnasnet0_5", "shufflenet_v2_x0_5", "mobilenet_v3_small", "densenet121", "googlenet")
SIZE = 64


@pytest.fixture(scope="module", autouse=True)
def models():
    peers.prepare()
    import torchvision

    return torchvision.models


@pytest.fixture(scope="module")
def manifest():
    (plugin,) = (plugin for plugin in registry.plugins() if plugin.distribution == "zoo-torchvision")
    return plugin.manifest


def published(models, name, path, seed=5):
    """torchvision's network with weights, and their file in the form that it publishes."""
    options = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    torch.manual_seed(seed)
    net = models.get_model_builder(name)(weights=None, **options)
    with torch.no_grad():
        for value in net.state_dict().values():
            if value.is_floating_point():
                value.mul_(0.8).add_(0.011)
    torch.save(net.state_dict(), path)
    return net.eval()


def ours(name, path, **options):
    return zoo.create_model(f"zoo-torchvision/{name}", True, pretrained_cfg_overlay={"file": str(path)}, **options)


def named(net):
    return {**dict(net.named_parameters()), **dict(net.named_buffers())}


def test_names_that_timm_has_too_are_timms(manifest):
    (bridge,) = (plugin for plugin in registry.plugins() if plugin.distribution == "zoo-timm")
    both = {*manifest.names} & {*bridge.manifest.names}
    assert "convnext_base" in both
    assert not {registry.find_model(name).distribution for name in both} & {"zoo-torchvision"}
    assert {registry.find_model(f"zoo-torchvision/{name}").distribution for name in both} == {"zoo-torchvision"}
    assert [problem for problem in doctor.examine(registry.current_index()) if not problem.distribution] == []


def test_names_and_weights_are_torchvisions(models, manifest):
    assert sorted(manifest.names) == models.list_models(module=models)
    assert len(manifest.names) == 80
    for name in manifest.names:
        known = models.get_model_weights(name)
        assert set(manifest.tags(name)) == {member.name.lower() for member in known}
        assert manifest.default(name) == known.DEFAULT.name.lower()
        assert manifest.family_of(name) == models.get_model_builder(name).__module__.rpartition(".")[2]


def test_configs_say_what_torchvisions_transforms_do(models, manifest):
    for name in manifest.names:
        for member in models.get_model_weights(name):
            cfg = PretrainedCfg.from_dict(manifest.configs[f"{name}.{member.name.lower()}"])
            transform = member.transforms()
            assert cfg.url == member.url
            assert cfg.sha256 is not None
            assert cfg.sha256 in member.url
            assert cfg.input_size[1:] == tuple(transform.crop_size) * 2
            assert [math.floor(cfg.input_size[1] / cfg.crop_pct + 0.5)] == transform.resize_size
            assert cfg.interpolation == transform.interpolation.value
            assert (cfg.mean, cfg.std) == (tuple(transform.mean), tuple(transform.std))
            swag = "swag" in member.name.lower()
            assert cfg.license == ("cc-by-nc-4.0" if swag else "bsd-3-clause")


def test_results_are_the_published_ones(models, manifest):
    for name in manifest.names:
        for member in models.get_model_weights(name):
            metrics = member.meta["_metrics"]["ImageNet-1K"]
            row = manifest.results.get(f"{name}.{member.name.lower()}")
            if math.isnan(metrics["acc@1"]):
                assert row is None
            else:
                assert (row[0]["top1"], row[0]["top5"]) == (metrics["acc@1"], metrics["acc@5"])


def test_parameters_are_as_many_as_published(models, manifest):
    for name in manifest.names:
        assert manifest.facts[name]["parameters"] == models.get_model_weights(name).DEFAULT.meta["num_params"]


def test_the_doctor_finds_nothing_wrong():
    found = doctor.examine(registry.current_index())
    assert [problem for problem in found if problem.distribution == "zoo-torchvision"] == []


def test_listing_imports_neither_torch_nor_torchvision():
    program = (
        "import sys; import zoo_core as zoo\n"
        "assert len(zoo.list_models('zoo-torchvision/*') or zoo.list_models(module='zoo_torchvision')) > 30\n"
        "assert zoo.get_pretrained_cfg('zoo-torchvision/vit_b_16').input_size == (3, 224, 224)\n"
        "print([name for name in ('torch', 'torchvision', 'zoo_torchvision') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize("name", SMALL)
def test_a_network_with_weights_is_torchvisions(models, tmp_path, name):
    theirs = published(models, name, tmp_path / "weights.pth")
    net = ours(name, tmp_path / "weights.pth").eval()
    if name == "googlenet":  # with weights it has no classifiers for training, and images of another norm
        theirs.aux1 = theirs.aux2 = None
        theirs.aux_logits, theirs.transform_input = False, True
    assert type(net) is type(theirs)
    expected, got = named(theirs), named(net)
    assert list(expected) == list(got)
    assert [key for key in expected if not torch.equal(expected[key], got[key])] == []
    image = torch.rand(2, 3, SIZE, SIZE)
    with torch.no_grad():
        assert torch.equal(net(image), theirs(image))


@pytest.mark.parametrize("channels", [1, 4])
def test_other_channels_and_classes_are_adapted(models, tmp_path, channels):
    theirs = published(models, "squeezenet1_1", tmp_path / "weights.pth")
    net = ours("squeezenet1_1", tmp_path / "weights.pth", in_chans=channels, num_classes=7).eval()
    assert net(torch.rand(1, channels, SIZE, SIZE)).shape == (1, 7)
    expected, got = theirs.state_dict(), net.state_dict()
    expected["features.0.weight"] = adapt_input_conv(expected["features.0.weight"], channels)
    assert [
        key for key in got if got[key].shape != expected[key].shape or not torch.equal(got[key], expected[key])
    ] == ["classifier.1.weight", "classifier.1.bias"]


def test_old_names_in_files_of_densenets_are_converted(models, tmp_path):
    theirs = published(models, "densenet121", tmp_path / "weights.pth")
    old = {}
    for key, value in theirs.state_dict().items():
        for part in ("norm1", "norm2", "conv1", "conv2"):
            if "denselayer" in key:
                key = key.replace(f".{part}.", f".{part[:4]}.{part[4]}.")  # noqa: PLW2901 - step by step
        old[key] = value
    torch.save(old, tmp_path / "old.pth")
    net = ours("densenet121", tmp_path / "old.pth")
    assert all(torch.equal(value, net.state_dict()[key]) for key, value in theirs.state_dict().items())


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "vgg11", "mobilenet_v2", "vit_b_32"])
def test_feature_maps_are_the_outputs_of_the_modules_named(name):
    net = zoo.create_model(f"zoo-torchvision/{name}", features_only=True).eval()
    whole = zoo.create_model(f"zoo-torchvision/{name}").eval()
    whole.load_state_dict({**whole.state_dict(), **net.state_dict()})
    names, seen = net.feature_info.module_name(), {}
    for key, module in whole.named_modules():
        if key in names:
            module.register_forward_hook(lambda _, __, output, key=key: seen.setdefault(key, output.clone()))
    image = torch.rand(1, 3, 224, 224)
    with torch.no_grad():
        maps = net(image)
        whole(image)
    assert all(torch.equal(one, seen[key]) for one, key in zip(maps, names, strict=True))
    if name == "vit_b_32":
        assert {tuple(one.shape) for one in maps} == {(1, 50, 768)}  # tokens, the class token first
    else:
        assert [one.shape[1] for one in maps] == net.feature_info.channels()
        assert [2 ** round(math.log2(224 / one.shape[2])) for one in maps] == net.feature_info.reduction()
    assert len(zoo.create_model(f"zoo-torchvision/{name}", features_only=True, out_indices=(1, 2))(image)) == 2


@pytest.mark.parametrize(
    "name",
    [pytest.param("vit_b_32", marks=pytest.mark.heavy), pytest.param("swin_t", marks=pytest.mark.heavy), "resnet18"],
)
def test_a_layout_is_a_matter_of_asking(name):
    size = 64
    options = {"image_size": size} if name.startswith("vit") else {}
    torch.manual_seed(0)
    plain = zoo.create_model(f"zoo-torchvision/{name}", features_only=True, out_indices=(0, -1), **options).eval()
    image = torch.rand(1, 3, size, size)
    nets = {}
    for layout in ("NCHW", "NHWC", "NLC"):
        nets[layout] = zoo.create_model(
            f"zoo-torchvision/{name}",
            features_only=True,
            out_indices=(0, -1),
            output_fmt=layout,
            device="meta",  # drawing weights takes longest
            **options,
        ).eval()
        nets[layout].load_state_dict(plain.state_dict(), assign=True)
    with torch.no_grad():
        own, nchw, nhwc, tokens = plain(image), *(net(image) for net in nets.values())
    for a, b, c in zip(nchw, nhwc, tokens, strict=True):
        assert torch.equal(a, b.permute(0, 3, 1, 2))
        assert torch.equal(a.flatten(2).transpose(1, 2), c)
    first = {"vit_b_32": tokens, "swin_t": nhwc, "resnet18": nchw}[name][0]
    assert torch.equal(own[0][:, 1:] if name == "vit_b_32" else own[0], first)
    with pytest.raises(OptionError, match="output_fmt, state_dict_names need features_only"):
        zoo.create_model(f"zoo-torchvision/{name}", output_fmt="NLC")


def test_an_unknown_option_is_said():
    with pytest.raises(OptionError, match=r"resnet18 has no option 'norm_layr'. Did you mean 'norm_layer'"):
        zoo.create_model("zoo-torchvision/resnet18", norm_layr=torch.nn.Identity)


def test_weights_that_do_not_fit_say_so(models, tmp_path):
    published(models, "squeezenet1_1", tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match="do not fit the network"):
        ours("resnet18", tmp_path / "weights.pth")


def test_a_saved_model_comes_back_the_same(models, tmp_path):
    published(models, "googlenet", tmp_path / "weights.pth")
    net = ours("googlenet", tmp_path / "weights.pth", num_classes=5).eval()
    zoo.save_for_hub(net, tmp_path / "saved", input_size=(96, 96))
    again = zoo.create_model(f"local-dir:{tmp_path / 'saved'}", True).eval()
    image = torch.rand(1, 3, 96, 96)
    with torch.no_grad():
        assert torch.equal(net(image), again(image))


@pytest.mark.heavy
@pytest.mark.parametrize("name", registry.list_models(module="zoo_torchvision"))
def test_on_the_meta_device_every_network_has_the_maps_of_its_facts(manifest, name):
    architecture = name.rpartition("/")[2]
    cfg = zoo.get_pretrained_cfg(f"zoo-torchvision/{architecture}")
    net = zoo.create_model(f"zoo-torchvision/{architecture}", features_only=True, device="meta").eval()
    maps = net(torch.empty(1, *cfg.input_size, device="meta"))
    facts = manifest.facts[architecture]
    layouts = facts.get("layouts", "NCHW")
    for index, one in enumerate(maps):
        layout = layouts if isinstance(layouts, str) else layouts[index]
        assert one.shape[layout.index("C")] == facts["channels"][index]
        if layout != "NLC":
            # Convolutions without padding take a few cells off.
            assert abs(cfg.input_size[1] / facts["reductions"][index] - one.shape[layout.index("H")]) < 4
