"""Parameter groups of every architecture, and the rates that an optimiser and its schedule see."""

from __future__ import annotations

from collections import Counter

import peers
import pytest
import torch
import zoo_core as zoo
from comparison import theirs
from torch import nn
from zoo_core.errors import OptionError

NAMES = ("resnet18", "densenet121", "cspresnet50", "cspdarknet53", "cs3darknet_m", "legacy_xception", "xception41p")


def in_groups(groups) -> Counter[int]:
    return Counter(id(parameter) for group in groups for parameter in group["params"])


@pytest.mark.heavy
def test_each_learning_parameter_of_every_architecture_is_in_one_group() -> None:
    names = zoo.list_models(module=peers.FAMILIES)
    assert len(names) > 100
    for name in names:
        net = zoo.create_model(name, device="meta")
        frozen = next(iter(net.parameters())).requires_grad_(False)
        learning = {id(parameter) for parameter in net.parameters()} - {id(frozen)}
        for layer_decay in (None, 0.7):
            groups = zoo.parameter_groups(net, 0.1, 0.05, layer_decay=layer_decay)
            assert in_groups(groups) == dict.fromkeys(learning, 1), name
        rates = [group["lr"] for group in groups]
        assert rates == sorted(rates), name
        assert rates[-1] == 0.1, name
        classifier = net.get_classifier()
        assert {id(p) for p in classifier.parameters()} <= {
            id(p) for group in groups if group["lr"] == 0.1 for p in group["params"]
        }, name


@pytest.mark.peers
@pytest.mark.parametrize("name", NAMES)
def test_rates_and_decays_are_timms(name: str) -> None:
    from timm.optim._param_groups import param_groups_layer_decay

    with torch.device("meta"):
        timms = theirs(name)
    names = {id(parameter): key for key, parameter in timms.named_parameters()}
    expected = {
        names[id(parameter)]: (0.1 * group["lr_scale"], group["weight_decay"])
        for group in param_groups_layer_decay(timms, weight_decay=0.05, layer_decay=0.7)
        for parameter in group["params"]
    }
    net = zoo.create_model(name, device="meta")
    names = {id(parameter): key for key, parameter in net.named_parameters()}
    mine = {
        names[id(parameter)]: (group["lr"], group["weight_decay"])
        for group in zoo.parameter_groups(net, 0.1, 0.05, layer_decay=0.7)
        for parameter in group["params"]
    }
    assert mine.keys() == expected.keys()
    for key, value in mine.items():
        assert value == pytest.approx(expected[key]), key


def test_a_schedule_of_torch_scales_every_rate() -> None:
    net = zoo.create_model("test_resnet", num_classes=10)
    groups = zoo.parameter_groups(net, 0.1, layer_decay=0.5)
    rates = [group["lr"] for group in groups]
    assert len(set(rates)) > 3
    optimiser = torch.optim.SGD(groups)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda epoch: 0.5**epoch)
    optimiser.step()
    schedule.step()
    assert [group["lr"] for group in optimiser.param_groups] == pytest.approx([rate / 2 for rate in rates])


def test_vectors_and_what_the_network_names_do_not_decay() -> None:
    class Position(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.place = nn.Parameter(torch.zeros(3, 3))
            self.linear = nn.Linear(3, 3)
            self.other = nn.Linear(3, 3)
            self.tied = self.other

        def no_weight_decay(self) -> set[str]:
            return {"place"}

    net = Position()
    spared, decayed = zoo.parameter_groups(net, 1e-3, 0.1, no_weight_decay=["other.weight"])
    assert [group["weight_decay"] for group in (spared, decayed)] == [0.0, 0.1]
    assert in_groups([decayed]) == {id(net.linear.weight): 1}
    assert in_groups([spared, decayed]) == dict.fromkeys(map(id, net.parameters()), 1)
    before = net.place.clone(), net.linear.weight.clone()
    optimiser = torch.optim.AdamW([spared, decayed])
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    assert torch.equal(net.place, before[0])
    assert not torch.equal(net.linear.weight, before[1])


def test_mistakes_are_named() -> None:
    net = zoo.create_model("test_resnet", device="meta")
    with pytest.raises(OptionError, match=r"layer_decay 1.5: it is above 0 and at most 1"):
        zoo.parameter_groups(net, 0.1, layer_decay=1.5)
    with pytest.raises(OptionError, match=r"lr -1: "):
        zoo.parameter_groups(net, -1)
    with pytest.raises(OptionError, match=r"no_weight_decay 'fc.wieght': ResNet has no such parameter"):
        zoo.parameter_groups(net, 0.1, no_weight_decay="fc.wieght")
    with pytest.raises(OptionError, match=r"no group_matcher, .* give the network inside it"):
        zoo.parameter_groups(nn.DataParallel(net), 0.1, layer_decay=0.5)
