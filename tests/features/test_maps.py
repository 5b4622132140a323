"""Every wrapper over a network of each family: what the whole network computes there, and nothing
past it."""

import copy

import pytest
import torch
import zoo_core as zoo
from extractors import (
    FAMILIES,
    WRAPPERS,
    assert_same_gradients,
    assert_same_maps,
    assert_same_state,
    extractor,
    images,
    maps_of,
    maps_of_whole,
    network,
)
from zoo_core.errors import OptionError
from zoo_core.features.wrap import wrap_features

pytestmark = [pytest.mark.parametrize("name", FAMILIES), pytest.mark.parametrize("wrapper", WRAPPERS)]


@pytest.mark.parametrize("indices", [None, (2, 0)], ids=str)
def test_in_eval_mode_maps_are_the_whole_networks(name, wrapper, indices):
    net, x = network(name), images()
    with torch.no_grad():
        extract = extractor(name, wrapper, indices)
        maps = maps_of(extract(x))
        assert_same_maps(maps, maps_of_whole(net, x, indices))
    assert [item.shape[1] for item in maps] == extract.feature_info.channels()


@pytest.mark.parametrize(
    ("indices", "checkpointing"), [((2, 1), False), (None, True)], ids=["some kept", "all recomputed"]
)
def test_in_train_mode_maps_gradients_and_statistics_are_the_whole_networks(name, wrapper, indices, checkpointing):
    net, x = network(name).train(), images()
    extract = wrap_features(copy.deepcopy(net), {"feature_cls": wrapper, "out_indices": indices})
    assert extract.training
    if checkpointing:
        net.set_grad_checkpointing()
        # The graph has the modules of the network, and not its methods: there one switches before
        # wrapping.
        if wrapper == "fx":
            extract = wrap_features(copy.deepcopy(net), {"feature_cls": wrapper, "out_indices": indices})
        else:
            extract.set_grad_checkpointing()
        net.set_grad_checkpointing(False)
    maps, expected = maps_of(extract(x)), maps_of_whole(net, x, indices)
    assert_same_maps(maps, expected)
    assert_same_state(extract, net)
    for outputs in (maps, expected):
        sum(item.square().mean() for item in outputs).backward()
    assert_same_gradients(extract, net)
    assert_same_state(extract, net)


def owners(net):
    """The names of the modules that have state of their own."""
    return {key.rpartition(".")[0] for key in net.state_dict()}


@pytest.mark.parametrize("indices", [(0,), (2, 1)], ids=str)
def test_nothing_past_the_last_map_is_run_kept_or_counted(name, wrapper, indices):
    net = network(name)
    ran = set()
    for key, module in net.named_modules():
        module.register_forward_hook(lambda _, __, ___, key=key: ran.add(key))
    extract = wrap_features(net, {"feature_cls": wrapper, "out_indices": indices})
    with torch.no_grad():
        extract(images())
    kept, whole = owners(extract), owners(net)
    assert kept == ran & whole
    assert kept < whole


def test_weights_of_the_whole_network_load_and_come_back(name, wrapper):
    source = network(name)
    torch.manual_seed(0)
    extract = zoo.create_model(name, features_only=True, feature_cls=wrapper, out_indices=(1, 2)).eval()
    assert not extract.load_state_dict(source.state_dict(), strict=False).missing_keys
    x = images()
    with torch.no_grad():
        assert_same_maps(extract(x), maps_of_whole(source, x, (1, 2)))
        twin = zoo.create_model(name, features_only=True, feature_cls=wrapper, out_indices=(1, 2)).eval()
        twin.load_state_dict(extract.state_dict(), strict=True)
        assert_same_maps(twin(x), extract(x))


def test_maps_are_named_where_a_dict_is_returned(name, wrapper):
    named = {"feature_cls": wrapper, "out_indices": (1, 0), "out_map": ["c2", "c1"]}
    if wrapper == "list":
        with pytest.raises(OptionError, match="FeatureListNet has no option 'out_map'"):
            wrap_features(network(name), named)
        return
    returned = {} if wrapper == "dict" else {"return_dict": True}
    assert list(wrap_features(network(name), {**named, **returned})(images())) == ["c2", "c1"]


@pytest.mark.parametrize("indices", [(0,), (1,), (2,), None], ids=str)
def test_nothing_dropped_is_left_among_children_keys_or_methods(name, wrapper, indices):
    extract = extractor(name, wrapper, indices)
    state = extract.state_dict()
    extract.load_state_dict(state)
    for path, module in extract.named_modules():
        assert None not in module._modules.values(), path
    for path in ("fc", "classifier", "head.fc", "layer4.0", "stages.9", "features.norm5", "blocks.11"):
        if not any(key.startswith(path) for key in state):
            with pytest.raises(RuntimeError, match=r"Unexpected key\(s\) in state_dict"):
                extract.load_state_dict({**state, f"{path}.nonsense": torch.zeros(1)})
    lost = ("reset_classifier", "get_classifier", "forward_head", "prune_intermediate_layers")
    assert [method for method in lost if hasattr(extract, method)] == []
