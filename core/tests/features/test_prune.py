"""What an extractor has dropped is gone: from its children, from its state dict, and with the
methods that need it."""

import copy
import pickle

import pytest
import torch
from tiny import TinyNet
from torch import nn
from zoo_core.features.extract import create_feature_extractor
from zoo_core.features.getter import FeatureGetterNet
from zoo_core.features.wrap import wrap_features

WRAPPERS = ["list", "dict", "hook", "fx", "getter"]
LOST = ["reset_classifier", "get_classifier", "forward_head", "prune_intermediate_layers"]


class Backbone(nn.Module):
    """Its containers have modules that run before, in between and after what is wanted, and some
    that never do."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
        self.sides = nn.ModuleList(nn.Conv2d(4, 4, 1) for _ in range(4))
        self.named = nn.ModuleDict({"late": nn.Conv2d(4, 4, 1), "early": nn.Conv2d(4, 4, 1)})
        self.layers = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1))
        self.fc = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = self.named["early"](x)
        x = self.layers(self.sides[2](x))
        x = self.named["late"](self.sides[3](x))
        return self.forward_head(x)

    def forward_head(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x.mean((2, 3)))

    def get_classifier(self) -> nn.Module:
        return self.fc


def assert_nothing_is_left_of_what_was_dropped(extract: nn.Module) -> None:
    for name, module in extract.named_modules():
        assert None not in module._modules.values(), name
    state = extract.state_dict()
    extract.load_state_dict(state)
    for module in ["", *(name + "." for name, _ in extract.named_modules() if name), "fc.", "head.", "classifier."]:
        with pytest.raises(RuntimeError, match=r"Unexpected key\(s\) in state_dict"):
            extract.load_state_dict({**state, f"{module}nonsense": torch.zeros(1)})


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("index", [0, 1, 2])
def test_no_child_is_none_and_no_key_below_a_dropped_one_loads(wrapper, index):
    extract = wrap_features(TinyNet(), {"feature_cls": wrapper, "out_indices": (index,)})
    assert_nothing_is_left_of_what_was_dropped(extract)
    assert_nothing_is_left_of_what_was_dropped(copy.deepcopy(extract))


@pytest.mark.parametrize("wanted", [["stem.0"], ["stem"], ["sides.2"], ["layers.1"], ["layers.1", "named.early"]])
def test_modules_of_any_kind_lose_what_never_runs_and_keep_their_positions(wanted):
    net = Backbone()
    extract = create_feature_extractor(net, wanted)
    assert_nothing_is_left_of_what_was_dropped(extract)
    assert set(extract.state_dict()) < set(net.state_dict())
    assert not hasattr(extract, "get_classifier")
    outputs = {}
    for name in wanted:
        net.get_submodule(name).register_forward_hook(lambda _, __, out, name=name: outputs.update({name: out}))
    x = torch.randn(2, 3, 4, 4)
    net.eval()(x)
    for name, output in extract.eval()(x).items():
        assert torch.equal(output, outputs[name])


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_methods_that_need_what_was_dropped_are_not_there_to_be_found(wrapper):
    net = TinyNet()
    extract = wrap_features(net, {"feature_cls": wrapper, "out_indices": (0, 2)})
    for twin in (extract, copy.deepcopy(extract), pickle.loads(pickle.dumps(extract))):
        assert [name for name in LOST if hasattr(twin, name)] == []
        assert all(hasattr(twin, name) for name in ("state_dict", "feature_info"))
        with pytest.raises(AttributeError, match="reset_classifier"):
            twin.reset_classifier(3)
    assert all(hasattr(net, name) for name in LOST)


def test_a_whole_network_keeps_its_methods():
    extract = FeatureGetterNet(TinyNet(), prune=False)
    assert all(hasattr(extract, name) for name in LOST)
    extract.reset_classifier(3)
    assert extract.get_classifier().out_features == 3


def test_a_pruned_network_yields_its_last_features():
    net, x = TinyNet().eval(), torch.randn(2, 3, 16, 16)
    expected = net.forward_intermediates(x, [1], intermediates_only=True)[0]
    net.prune_intermediate_layers([1])
    assert net.num_classes == 0
    for each in (net, copy.deepcopy(net), torch.jit.script(net)):
        assert torch.equal(each(x), expected)
    assert torch.equal(net.forward_head(net.forward_features(x), pre_logits=True), expected)


def test_a_network_pruned_in_place_has_no_none_among_its_children():
    net = TinyNet()
    net.prune_intermediate_layers([1])
    assert None not in net._modules.values()
    assert net.fc is None
    with pytest.raises(RuntimeError, match=r"Unexpected key\(s\) in state_dict"):
        net.load_state_dict({**net.state_dict(), "fc.nonsense": torch.zeros(1)})
    net.fc = nn.Linear(6, 2)
    assert "fc.weight" in net.state_dict()
