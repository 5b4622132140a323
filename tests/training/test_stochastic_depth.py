"""Drop-path rates that rise in the course of a training."""

from __future__ import annotations

import pytest
import torch
import zoo_core as zoo
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo_core.errors import OptionError
from zoo_core.layers import DropPath


def rates(net) -> list[float]:
    return [module.p for module in net.modules() if isinstance(module, DropPath)]


@settings(max_examples=20, deadline=None)
@given(steps=st.integers(1, 50), before=st.integers(0, 60))
def test_rates_rise_linearly_to_those_of_the_network(steps: int, before: int) -> None:
    net = zoo.create_model("resnet18", drop_path_rate=0.2, device="meta")
    full = rates(net)
    schedule = zoo.DropPathSchedule(net, steps)
    assert set(rates(net)) == {0.0}
    for _ in range(before):
        schedule.step()
    assert rates(net) == pytest.approx([rate * min(1, before / steps) for rate in full])


def test_a_training_that_drops_nothing_yet_is_one_without() -> None:
    net = zoo.create_model("test_resnet", drop_path_rate=0.5, zero_init_last=False).train()
    images = torch.randn(8, 3, 32, 32)
    schedule = zoo.DropPathSchedule(net, 10)
    assert torch.equal(net(images), net(images))
    for _ in range(10):
        schedule.step()
    assert not torch.equal(net(images), net(images))


def test_it_resumes_from_its_state_dict() -> None:
    nets = [zoo.create_model("resnet18", drop_path_rate=0.2, device="meta") for _ in range(2)]
    schedule = zoo.DropPathSchedule(nets[0], 10)
    for _ in range(4):
        schedule.step()
    resumed = zoo.DropPathSchedule(nets[1], 99)
    resumed.load_state_dict(schedule.state_dict())
    for each in (schedule, resumed):
        each.step()
    assert rates(nets[1]) == rates(nets[0]) != [0.0] * len(rates(nets[0]))
    with pytest.raises(OptionError, match=r"this network has 15 drop paths, the schedule 7"):
        zoo.DropPathSchedule(zoo.create_model("resnet50", drop_path_rate=0.2, device="meta"), 5).load_state_dict(
            schedule.state_dict()
        )


def test_a_network_that_drops_no_path_is_refused() -> None:
    with pytest.raises(OptionError, match=r"DenseNet drops no path: make it with drop_path_rate=0.1"):
        zoo.DropPathSchedule(zoo.create_model("test_densenet", device="meta"), 5)
