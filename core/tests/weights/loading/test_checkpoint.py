"""Checkpoints of a training, into a model that exists."""

import argparse
import copy

import pytest
import torch
from tiny import TinyNet
from zoo_core import load_checkpoint, load_state_dict, resume_checkpoint
from zoo_core.errors import WeightsError


@pytest.fixture
def training(tmp_path):
    """A model and its optimiser after a step, and the checkpoint that a training program would
    write."""
    torch.manual_seed(0)
    model = TinyNet()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    model(torch.randn(4, 3, 32, 32)).square().sum().backward()
    optimizer.step()
    average = {key: value + 1 for key, value in model.state_dict().items()}
    path = tmp_path / "last.pth.tar"
    torch.save(
        {
            "epoch": 6,
            "version": 2,
            "arch": "tiny",
            "args": argparse.Namespace(lr=0.01),
            "state_dict": {f"module.{key}": value for key, value in model.state_dict().items()},
            "state_dict_ema": average,
            "optimizer": optimizer.state_dict(),
        },
        path,
    )
    return model, optimizer, average, path


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_a_checkpoint_gives_its_average_or_its_weights(training):
    model, _, average, path = training
    assert equal(load_state_dict(path), average)
    assert equal(load_state_dict(path, use_ema=False), model.state_dict())


def test_a_checkpoint_loads_into_a_model_that_keeps_its_parameters(training):
    model, _, _, path = training
    other = TinyNet()
    parameters = list(other.parameters())
    load_checkpoint(other, path, use_ema=False)
    assert equal(other.state_dict(), model.state_dict())
    assert all(a is b for a, b in zip(parameters, other.parameters(), strict=True))


def test_a_filter_may_rename(training):
    model, _, _, path = training
    other = TinyNet()
    torch.save({f"net_{key}": value for key, value in model.state_dict().items()}, path)
    load_checkpoint(
        other, path, filter_fn=lambda weights, net: {key.removeprefix("net_"): value for key, value in weights.items()}
    )
    assert equal(other.state_dict(), model.state_dict())


def test_not_strict_still_needs_something_that_fits(training, tmp_path):
    model, _, _, _ = training
    some = {key: value for key, value in model.state_dict().items() if not key.startswith("fc")}
    torch.save({**some, "extra": torch.zeros(1)}, tmp_path / "some.pth")
    torch.save({"extra": torch.zeros(1)}, tmp_path / "none.pth")
    other = TinyNet()
    load_checkpoint(other, tmp_path / "some.pth", strict=False)
    assert torch.equal(other.stem.weight, model.stem.weight)
    with pytest.raises(WeightsError, match=r"missing .*; unexpected \(1\): extra"):
        load_checkpoint(other, tmp_path / "none.pth", strict=False)


def test_a_training_goes_on_as_if_it_had_not_stopped(training):
    model, optimizer, _, path = training
    other = TinyNet()
    other_optimizer = torch.optim.AdamW(other.parameters(), lr=9.0)
    assert resume_checkpoint(other, path, other_optimizer) == 7
    images = torch.randn(4, 3, 32, 32)
    for net, steps in ((model, optimizer), (other, other_optimizer)):
        steps.zero_grad()
        net(images).square().sum().backward()
        steps.step()
    assert equal(other.state_dict(), model.state_dict())


def test_a_state_that_is_not_there_is_an_error_and_changes_nothing(training):
    _, _, _, path = training
    other = TinyNet()
    before = copy.deepcopy(other.state_dict())
    with pytest.raises(WeightsError, match="has no state of the 'amp_scaler'"):
        resume_checkpoint(other, path, loss_scaler=torch.amp.GradScaler("cpu"))
    wrong = torch.optim.SGD([*other.parameters(), torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    with pytest.raises(ValueError, match="doesn't match the size"):
        resume_checkpoint(other, path, wrong)
    assert equal(other.state_dict(), before)


def test_an_old_checkpoint_says_the_epoch_to_begin_with(training, tmp_path):
    model, *_ = training
    torch.save({"state_dict": model.state_dict(), "epoch": 3}, tmp_path / "old.pth")
    assert resume_checkpoint(TinyNet(), tmp_path / "old.pth") == 3
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    assert resume_checkpoint(TinyNet(), tmp_path / "weights.pth") is None


def test_a_module_that_takes_part_in_loading_is_asked(tmp_path):
    asked = []

    class Asked(torch.nn.BatchNorm2d):
        def _load_from_state_dict(self, *args):
            asked.append(self)
            super()._load_from_state_dict(*args)

    model = torch.nn.Sequential(Asked(3))
    weights = {key: value + 1 for key, value in model.state_dict().items()}
    torch.save(weights, tmp_path / "x.pth")
    load_checkpoint(model, tmp_path / "x.pth")
    assert asked == [model[0]]
    assert equal(model.state_dict(), weights)
