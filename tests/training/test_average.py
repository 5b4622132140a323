"""The moving average of a training equals timm's ModelEmaV3."""

from __future__ import annotations

import copy

import pytest
import torch
import zoo_core as zoo
from torch import Tensor, nn
from zoo_core.errors import OptionError


def steps(net: nn.Module, count: int = 6):
    """A short training: yield after each step."""
    torch.manual_seed(0)
    optimiser = torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(count):
        optimiser.zero_grad()
        net(torch.randn(4, 3, 32, 32)).square().mean().backward()
        optimiser.step()
        yield


@pytest.mark.peers
@pytest.mark.parametrize("warm_up", [None, 2 / 3, 0.75])
def test_it_equals_timms(warm_up: float | None) -> None:
    import peers

    peers.prepare()
    from timm.utils import ModelEmaV3

    net = zoo.create_model("test_resnet", num_classes=3)
    options = {} if warm_up is None else {"use_warmup": True, "warmup_power": warm_up}
    timms, ours = ModelEmaV3(net, decay=0.6, **options), zoo.average_model(net, 0.6, warm_up=warm_up)
    for number, _ in enumerate(steps(net), start=1):
        timms.update(net, step=number)
        ours.update_parameters(net)
    expected = timms.module.state_dict()
    assert expected
    for key, value in ours.module.state_dict().items():
        assert torch.equal(value, expected[key]), key
    assert not torch.equal(ours.module.fc.weight, net.fc.weight)
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(ours(images), timms(images))


def test_it_resumes_from_its_state_dict() -> None:
    net = zoo.create_model("test_resnet", num_classes=3)
    whole, part = zoo.average_model(net, 0.5), zoo.average_model(net, 0.5)
    for number, _ in enumerate(steps(net)):
        whole.update_parameters(net)
        if number == 2:
            state = copy.deepcopy(part.state_dict())
            part = zoo.average_model(zoo.create_model("test_resnet", num_classes=3), 0.5)
            part.load_state_dict(state)
        part.update_parameters(net)
    for one, other in zip(whole.state_dict().values(), part.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_a_model_of_half_types_has_an_average_in_full_precision() -> None:
    net = nn.Linear(1, 1, bias=False).to(torch.bfloat16)
    nn.init.ones_(net.weight)
    full, half = zoo.average_model(net, 0.999, dtype=torch.float32), zoo.average_model(net, 0.999)
    for average in (full, half):
        average.update_parameters(net)
    nn.init.constant_(net.weight, 1.25)
    for _ in range(100):
        for average in (full, half):
            average.update_parameters(net)
    assert half.module.weight.item() == 1.0  # a step is below its precision
    assert full.module.weight.item() == pytest.approx(1.25 - 0.25 * 0.999**100, rel=1e-5)


def test_frozen_norms_are_averaged_with_the_rest() -> None:
    net = zoo.freeze(zoo.create_model("test_resnet", num_classes=3), 1)
    average = zoo.average_model(net, 0.5)
    learning: list[Tensor] = [parameter for parameter in net.parameters() if parameter.requires_grad]
    for parameter in learning:
        parameter.grad = torch.ones_like(parameter)
    average.update_parameters(net)
    torch.optim.SGD(learning, 0.1).step()
    average.update_parameters(net)
    assert torch.equal(average.module.bn1.weight, net.bn1.weight)
    torch.testing.assert_close(average.module.fc.bias, net.fc.bias + 0.05)


def test_a_decay_out_of_range_is_refused() -> None:
    with pytest.raises(OptionError, match=r"decay 1.1: the weight of an average is in 0..1"):
        zoo.average_model(nn.Linear(1, 1), 1.1)
    with pytest.raises(OptionError, match=r"warm_up 0: it is a power above 0"):
        zoo.average_model(nn.Linear(1, 1), warm_up=0)
