"""Graphs that torch.fx traces, compiled further by TorchScript."""

from __future__ import annotations

import inspect
import io
import warnings

import pytest
import torch
import zoo_core as zoo
from extractors import FAMILIES, assert_same_maps, extractor, images, maps_of_whole, network
from torch import nn
from torch.fx import symbolic_trace

# TorchScript says so of torch.fx's own GraphModule.
pytestmark = pytest.mark.filterwarnings("ignore:The TorchScript type system doesn't support instance-level:UserWarning")

OPTIONS = [
    *((name, {}) for name in FAMILIES),
    ("test_cspnet", {"norm_layer": "iabn", "act_layer": "leaky_relu"}),
    ("test_xception", {"preact": True}),
    ("legacy_xception", {}),
]


@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=str)
def test_the_graph_of_a_network_scripts(name, options):
    net = zoo.create_model(name, num_classes=3, **options).eval()
    x = images()
    with torch.no_grad():
        assert torch.equal(torch.jit.script(symbolic_trace(net))(x), net(x))


@pytest.mark.parametrize("name", [*FAMILIES, "legacy_xception"])
def test_the_graph_of_each_of_its_parts_scripts(name):
    net = zoo.create_model(name, num_classes=3).eval()
    of_the_zoo = {type(module): module for module in net.modules() if type(module).__module__.startswith("zoo_")}
    for module in of_the_zoo.values():
        annotations = inspect.get_annotations(type(module).forward)
        assert not any(isinstance(annotation, str) for annotation in annotations.values()), type(module)
    for child in net.children():
        if list(child.children()) and child is not getattr(net, "head", None):  # which asks whether to classify
            torch.jit.script(symbolic_trace(child))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("returns", ["a list", "a dict"])
def test_a_graph_extractor_scripts_in_both_modes(name, training, returns):
    options = {"return_dict": True, "out_map": ("b", "a")} if returns == "a dict" else {}
    extract = zoo.create_model(
        name, features_only=True, feature_cls="fx", out_indices=(2, 1), feature_cfg=options
    ).train(training)
    stream = io.BytesIO()
    torch.jit.save(torch.jit.script(extract), stream)
    stream.seek(0)
    x = images()
    scripted = torch.jit.load(stream)
    torch.manual_seed(0)
    got = scripted(x)
    torch.manual_seed(0)
    expected = extract(x)
    assert type(got) is type(expected)
    assert_same_maps(got, expected)
    if returns == "a dict":
        assert list(got) == ["b", "a"]
    changed = extract.train(not training)(x)
    scripted.train(not training)
    torch.testing.assert_close(list(maps(scripted(x))), list(maps(changed)))


def maps(output):
    return output.values() if isinstance(output, dict) else output


@pytest.mark.parametrize("wrapper", ["list", "dict", "fx"])
@pytest.mark.parametrize("name", FAMILIES)
def test_the_graph_of_an_extractor_scripts(name, wrapper):
    x = images()
    with torch.no_grad():
        scripted = torch.jit.script(symbolic_trace(extractor(name, wrapper, (2, 1))))
        assert_same_maps(scripted(x), maps_of_whole(network(name), x, (2, 1)))


@pytest.mark.peers
@pytest.mark.parametrize("name", FAMILIES)
def test_torchvisions_extractor_scripts(name):
    from torchvision.models.feature_extraction import create_feature_extractor

    net = network(name)
    module = net.feature_info[-1]["module"]
    with torch.no_grad():
        extract = create_feature_extractor(net, {module: "map"})
        assert torch.equal(torch.jit.script(extract)(images())["map"], maps_of_whole(net, images(), (-1,))[0])


@pytest.mark.parametrize("name", FAMILIES)
def test_a_quantised_graph_scripts(name):
    from torch.ao.quantization import get_default_qconfig_mapping
    from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

    x = images()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch.ao's own, of its end
        observed = prepare_fx(network(name), get_default_qconfig_mapping("x86"), (x,))
        observed(x)
        quantised = convert_fx(observed)
        torch.testing.assert_close(torch.jit.script(quantised)(x), quantised(x))


def test_a_graph_extractor_that_is_no_networks_scripts():
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 5, 1))
    extract = zoo.create_feature_extractor(net, ["0", "2"], feature_cls="fx")
    x = torch.randn(1, 3, 4, 4)
    assert_same_maps(torch.jit.script(extract)(x), extract(x))
