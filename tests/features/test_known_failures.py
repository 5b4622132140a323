"""What other libraries' feature wrappers get wrong, over each family: absent here."""

import copy
import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import zoo_core as zoo
from extractors import FAMILIES, WRAPPERS, assert_same_maps, extractor, images, maps_of, maps_of_whole, network
from torch import nn
from zoo_core.errors import FeatureError
from zoo_core.features.wrap import wrap_features

pytestmark = pytest.mark.parametrize("name", FAMILIES)


@torch.no_grad()
def test_hooks_under_four_threads_give_each_call_its_own_maps(name):
    extract = extractor(name, "hook")
    batches = [torch.full((1, 3, 32, 32), 0.1 * value) for value in range(40)]
    expected = [maps_of(extract(x)) for x in batches]
    with ThreadPoolExecutor(4) as pool:
        for got, want in zip(pool.map(torch.no_grad()(extract), batches), expected, strict=True):
            assert_same_maps(got, want)


def test_tracing_hooks_is_refused_also_inside_of_what_is_traced(name):
    with pytest.raises(FeatureError, match=r"torch.fx sees no hooks"):
        torch.fx.symbolic_trace(nn.Sequential(nn.Identity(), extractor(name, "hook", (0,))))


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapper_keeps_no_memory_of_what_it_does_not_run(name, wrapper):
    net = network(name)
    first, *_, last = (weakref.ref(parameter) for parameter in net.parameters())
    extract = wrap_features(net, {"feature_cls": wrapper, "out_indices": (0,)})
    del net
    gc.collect()
    assert first() is not None
    assert last() is None
    assert extract(images())


@torch.no_grad()
def test_a_copy_of_a_graph_in_eval_mode_normalises_as_the_graph_does(name):
    extract, x = extractor(name, "fx"), images()
    average = copy.deepcopy(extract)
    before = copy.deepcopy(average.state_dict())
    assert not any(module.training for module in average.modules())
    assert_same_maps(average(x), extract(x))
    assert all(torch.equal(value, before[key]) for key, value in average.state_dict().items())


@pytest.mark.parametrize("wrapper", WRAPPERS)
@torch.no_grad()
def test_indices_out_of_order_order_maps_and_table_alike(name, wrapper):
    order = (2, -1, 0)
    extract, net = extractor(name, wrapper, order), network(name)
    x = images()
    maps = maps_of(extract(x))
    assert_same_maps(maps, maps_of_whole(net, x, order))
    assert [item.shape[1] for item in maps] == extract.feature_info.channels()
    assert extract.feature_info.module_name() == [net.feature_info[index]["module"] for index in order]


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_wrappers_are_no_containers_which_fsdp_refuses(name, wrapper):
    assert not isinstance(extractor(name, wrapper), nn.ModuleDict | nn.ModuleList | nn.Sequential)


def test_synchronised_batch_norms_keep_their_activation(name):
    net, x = network(name), images()
    sync = zoo.convert_sync_batchnorm(network(name))
    assert any(isinstance(module, nn.SyncBatchNorm) for module in sync.modules())
    with torch.no_grad():
        assert torch.equal(sync(x), net(x))
