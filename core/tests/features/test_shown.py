import pytest
import zoo_core as zoo
from torch import nn


@pytest.mark.parametrize("feature_cls", ["list", "dict", "hook", "fx", "getter"])
def test_an_extractor_is_shown_by_its_maps(feature_cls):
    net = zoo.create_model("test_resnet", features_only=True, out_indices=(3, 1), feature_cls=feature_cls)
    maps = "maps={3: layer3 192/16, 1: layer1 32/4})"
    assert repr(net) == f"{type(net).__name__}(test_resnet, {maps}"
    table = net._repr_html_()
    assert table.count("<tr>") == 3
    assert table.index("<td>layer3</td><td>192</td><td>16</td>") < table.index("<td>layer1</td><td>32</td><td>4</td>")


def test_an_extractor_of_any_module_is_shown_by_the_modules():
    net = zoo.create_feature_extractor(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()), {"0": "a<b"})
    assert repr(net) == "FeatureHookNet(Sequential, maps={0: 0})"
    assert "<td>None</td>" in net._repr_html_()
