"""What a training does with an extractor: freezing, averaging, copying, precision, memory format,
threads."""

import copy
import io
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import zoo_core as zoo
from extractors import (
    FAMILIES,
    WRAPPERS,
    assert_same_maps,
    assert_same_state,
    extractor,
    images,
    maps_of,
    maps_of_whole,
    network,
)
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

pytestmark = [pytest.mark.parametrize("name", FAMILIES), pytest.mark.parametrize("wrapper", WRAPPERS)]


def test_frozen_batch_norms_neither_measure_nor_learn_in_train_mode(name, wrapper):
    net, x = network(name), images()
    extract = zoo.freeze_batch_norm(extractor(name, wrapper, (2, 1))).train()
    norms = {key for key, module in extract.named_modules() if isinstance(module, nn.BatchNorm2d)}
    assert norms
    assert not {key.rpartition(".")[0] for key, _ in extract.named_parameters()} & norms
    optimiser = torch.optim.SGD(extract.parameters(), lr=0.1, weight_decay=0.1)
    with torch.no_grad():
        assert_same_maps(extract(x), maps_of_whole(net, x, (2, 1)))
    sum(item.square().mean() for item in maps_of(extract(x))).backward()
    optimiser.step()
    changed = owners_of_change(extract, net)
    assert changed
    assert not changed & norms
    zoo.unfreeze_batch_norm(extract)
    learning = {key for key, _ in net.named_parameters()} & set(extract.state_dict())
    assert {key for key, _ in extract.named_parameters()} == learning
    extract(x)
    assert owners_of_change(extract, net) >= norms


def owners_of_change(part, whole):
    """The names of the modules of `part` with a state that is not that of `whole`."""
    state = whole.state_dict()
    return {key.rpartition(".")[0] for key, value in part.state_dict().items() if not torch.equal(value, state[key])}


def test_part_of_the_norms_freezes_by_name(name, wrapper):
    extract = extractor(name, wrapper).train()
    first = extract.feature_info.module_name(1).partition(".")[0]
    zoo.freeze_batch_norm(extract, first)
    for key, module in extract.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.training != (key.partition(".")[0] == first), key


@pytest.mark.parametrize("training", [False, True])
def test_copies_and_pickles_are_the_same_extractor(name, wrapper, training):
    extract, x = extractor(name, wrapper, (2, 1)).train(training), images()
    stream = io.BytesIO()
    torch.save(extract, stream)
    stream.seek(0)
    twins = [copy.deepcopy(extract), torch.load(stream, weights_only=False)]
    with torch.no_grad():
        maps = maps_of(extract(x))
        for twin in twins:
            assert [module.training for module in twin.modules()] == [training for _ in twin.modules()]
            assert_same_maps(twin(x), maps)
            assert_same_state(twin, extract)
            assert twin.feature_info.get_dicts() == extract.feature_info.get_dicts()


def test_an_average_of_weights_is_an_extractor_in_eval_mode(name, wrapper):
    extract, x = extractor(name, wrapper, (1, 2)).train(), images()
    average = AveragedModel(extract, multi_avg_fn=get_ema_multi_avg_fn(0.5), use_buffers=True).eval()
    assert not any(module.training for module in average.modules())
    assert extract.training
    with torch.no_grad():
        for parameter in extract.parameters():
            parameter.mul_(3)
        for _ in range(2):  # the first update copies
            average.update_parameters(extract)
        assert_same_maps(average(x), extract.eval()(x))
        before = copy.deepcopy(average.module)
        average(x)
    assert_same_state(average.module, before)


def test_in_half_precision_maps_are_the_whole_networks(name, wrapper):
    net, extract, x = network(name), extractor(name, wrapper), images()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        maps = maps_of(extract(x))
        assert_same_maps(maps, maps_of_whole(net, x))
    assert torch.bfloat16 in {item.dtype for item in maps}


def test_channels_last_stays_and_gives_the_whole_networks_maps(name, wrapper):
    net = network(name).to(memory_format=torch.channels_last)
    extract = extractor(name, wrapper).to(memory_format=torch.channels_last)
    x = images().to(memory_format=torch.channels_last)
    with torch.no_grad():
        maps = maps_of(extract(x))
        assert_same_maps(maps, maps_of_whole(net, x))
    assert all(item.is_contiguous(memory_format=torch.channels_last) for item in maps)


def test_threads_get_the_maps_of_their_own_images(name, wrapper):
    extract = extractor(name, wrapper, (2, 0))
    batches = [images(32, 1) * scale for scale in range(12)]
    with torch.no_grad():
        expected = [maps_of(extract(x)) for x in batches]

    def run(x):
        with torch.no_grad():  # which holds for the thread that says it
            return maps_of(extract(x))

    with ThreadPoolExecutor(4) as pool:
        for got, want in zip(pool.map(run, batches), expected, strict=True):
            assert_same_maps(got, want)
