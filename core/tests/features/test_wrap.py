"""Every wrapper on one small network: the same maps, the same keys, and nothing that no wanted map
needs."""

import copy
import io
import itertools
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import torch
from tiny import TinyNet
from torch import nn
from zoo_core.errors import FeatureError, OptionError
from zoo_core.features.getter import FeatureGetterNet
from zoo_core.features.graph import FeatureGraphNet
from zoo_core.features.hook import FeatureHookNet
from zoo_core.features.mixin import Adopting
from zoo_core.features.stages import FeatureDictNet, FeatureListNet
from zoo_core.features.wrap import wrap_features

WRAPPERS = [FeatureListNet, FeatureDictNet, FeatureHookNet, FeatureGraphNet, FeatureGetterNet]
ORDERS = [order for size in (1, 2, 3) for order in itertools.permutations(range(3), size)]


@pytest.fixture
def net():
    torch.manual_seed(0)
    return TinyNet().eval()


def maps_of(output):
    return list(output.values()) if isinstance(output, dict) else list(output)


def plain_maps(net, x):
    """The maps by running the modules one by one, without any of Zoo's walks."""
    maps = [net.stem(x)]
    for stage in net.stages:
        maps.append(stage(maps[-1]))
    return maps


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_maps_and_their_table_come_in_the_order_asked_for(net, wrapper, order):
    x = torch.randn(2, 3, 32, 32)
    extractor = wrapper(net, out_indices=order)
    maps = maps_of(extractor(x))
    assert [item.shape[1] for item in maps] == extractor.feature_info.channels()
    for got, index in zip(maps, order, strict=True):
        assert torch.equal(got, plain_maps(net, x)[index])


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_nothing_past_the_last_wanted_map_is_run_kept_or_counted(net, wrapper):
    extractor = wrapper(net, out_indices=(1,))
    names = {name for name, _ in extractor.named_modules()}
    assert "stages.0.0" in names
    assert not any(name.startswith(("stages.1", "fc")) for name in names)
    keys = set(extractor.state_dict())
    assert keys == {key for key in net.state_dict() if key.startswith(("stem", "stages.0"))}
    runs = []
    net.stages[1].register_forward_hook(lambda *_: runs.append("stages.1"))
    wrapper(net, out_indices=(0,))(torch.zeros(1, 3, 16, 16))
    assert not runs


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_the_network_that_is_wrapped_stays_whole(net, wrapper):
    x = torch.randn(1, 3, 32, 32)
    before = net(x)
    keys = list(net.state_dict())
    wrapper(net, out_indices=(0,))(x)
    assert list(net.state_dict()) == keys
    assert torch.equal(net(x), before)


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("training", [True, False])
def test_copies_and_pickles_are_the_same_extractor(net, wrapper, training):
    extractor = wrapper(net, out_indices=(2, 0)).train(training)
    stream = io.BytesIO()
    torch.save(extractor, stream)
    stream.seek(0)
    x = torch.randn(4, 3, 32, 32)
    for twin in (copy.deepcopy(extractor), torch.load(stream, weights_only=False)):
        assert type(twin) is type(extractor)
        assert [module.training for module in twin.modules()] == [module.training for module in extractor.modules()]
        original = copy.deepcopy(extractor)
        for got, expected in zip(maps_of(twin(x)), maps_of(original(x)), strict=True):
            assert torch.equal(got, expected)
        assert set(twin.state_dict()) == set(extractor.state_dict())
        assert all(not a.is_set_to(b) for a, b in zip(twin.parameters(), extractor.parameters(), strict=True))


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_threads_do_not_mix_their_maps(net, wrapper):
    extractor = wrapper(net, out_indices=(0, 2))
    images = [torch.full((1, 3, 32, 32), float(value)) for value in range(40)]
    expected = [[item.clone() for item in maps_of(extractor(x))] for x in images]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda x: maps_of(extractor(x)), images))
    for got, want in zip(results, expected, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(got, want, strict=True))


@pytest.mark.parametrize(
    "wrapper", [FeatureListNet, FeatureDictNet, FeatureGetterNet, partial(FeatureGetterNet, return_dict=True)]
)
def test_scripts(net, wrapper):
    x = torch.randn(1, 3, 32, 32)
    extractor = wrapper(net, out_indices=(1, 0))
    for got, expected in zip(maps_of(torch.jit.script(extractor)(x)), maps_of(extractor(x)), strict=True):
        assert torch.equal(got, expected)


@pytest.mark.parametrize("wrapper", [FeatureListNet, FeatureDictNet, FeatureGraphNet, FeatureGetterNet])
def test_fx_traces_the_same_maps(net, wrapper):
    x = torch.randn(1, 3, 32, 32)
    extractor = wrapper(net, out_indices=(1, 0))
    for got, expected in zip(maps_of(torch.fx.symbolic_trace(extractor)(x)), maps_of(extractor(x)), strict=True):
        assert torch.equal(got, expected)


def test_fx_refuses_hooks_rather_than_trace_a_wrong_graph(net):
    with pytest.raises(FeatureError, match=r"torch.fx sees no hooks"):
        torch.fx.symbolic_trace(FeatureHookNet(net, out_indices=(0,)))


def test_dict_keys_are_indices_or_the_names_given(net):
    x = torch.zeros(1, 3, 16, 16)
    assert list(FeatureDictNet(net, out_indices=(-1, 0))(x)) == ["2", "0"]
    assert list(FeatureDictNet(net, out_indices=(1, 0), out_map=["c2", "c1"])(x)) == ["c2", "c1"]
    with pytest.raises(FeatureError, match="expected 2 different names"):
        FeatureDictNet(net, out_indices=(1, 0), out_map=["a", "a"])


def test_a_stage_wrapper_needs_a_network_with_a_walk():
    with pytest.raises(FeatureError, match="Sequential has no forward_stages"):
        FeatureListNet(nn.Sequential(nn.ReLU()))


def test_a_module_without_a_table_is_told_the_way_out():
    with pytest.raises(FeatureError, match=r"Sequential has no feature_info.*create_feature_extractor"):
        wrap_features(nn.Sequential(nn.ReLU()), {})


def test_an_unknown_wrapper_or_option_is_an_error(net):
    with pytest.raises(OptionError, match="feature_cls 'lsit'"):
        wrap_features(net, {"feature_cls": "lsit"})
    with pytest.raises(OptionError, match=r"'out_indexes'.*Did you mean 'out_indices'"):
        wrap_features(net, {"out_indexes": (0,)})


def test_a_wrapper_is_also_its_network(net):
    extractor = wrap_features(net, {})
    assert isinstance(extractor, FeatureListNet | Adopting)
    assert isinstance(extractor, TinyNet)
    assert not isinstance(extractor, nn.ModuleDict | nn.ModuleList | nn.Sequential)
