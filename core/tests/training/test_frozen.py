"""Frozen batch norm: nothing that a training does reaches it, and everything else still works on
it."""

import copy
import io

import pytest
import torch
from torch import nn
from zoo_core import freeze_batch_norm, unfreeze_batch_norm
from zoo_core.errors import OptionError
from zoo_core.layers import BatchNormAct2d, InplaceAbn


class Doubling(nn.BatchNorm2d):
    """A user's own, whose forward nobody here knows."""

    def forward(self, x):
        return 2 * super().forward(x)


def trained(norm, shape=(4, 6, 5, 5)):
    """Statistics, scale and shift in which every channel differs."""
    torch.manual_seed(0)
    for name, tensor in norm.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + (0.5 if name.endswith(("var", "weight")) else 0))
    norm(torch.randn(shape))
    return norm


NORMS = {
    "1d": (lambda: nn.BatchNorm1d(6), (4, 6)),
    "2d": (lambda: nn.BatchNorm2d(6), (4, 6, 5, 5)),
    "3d": (lambda: nn.BatchNorm3d(6), (2, 6, 3, 3, 3)),
    "plain scale": (lambda: nn.BatchNorm2d(6, affine=False), (4, 6, 5, 5)),
    "sync": (lambda: nn.SyncBatchNorm(6), (4, 6, 5, 5)),
    "with activation": (lambda: BatchNormAct2d(6, act_layer="prelu"), (4, 6, 5, 5)),
    "in place": (lambda: InplaceAbn(6), (4, 6, 5, 5)),
    "a user's": (lambda: Doubling(6), (4, 6, 5, 5)),
}


@pytest.fixture(params=NORMS)
def case(request):
    build, shape = NORMS[request.param]
    return trained(build(), shape), torch.randn(shape)


def assert_same_state(module, state):
    assert list(module.state_dict()) == list(state)
    for key, value in module.state_dict().items():
        assert torch.equal(value, state[key]), key


def test_it_computes_in_every_mode_what_the_norm_computes_in_eval_mode(case):
    norm, x = case
    expected = copy.deepcopy(norm).eval()(x.clone())
    state = copy.deepcopy(norm.state_dict())
    frozen = freeze_batch_norm(norm)
    assert frozen is norm
    for mode in (True, False):
        assert torch.equal(frozen.train(mode)(x.clone()), expected)
        assert not frozen.training
    assert_same_state(frozen, state)


def test_the_input_learns_through_it_and_it_does_not_learn(case):
    norm, x = case
    optimiser = torch.optim.SGD([*norm.parameters(), nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9)
    norm(x.clone().requires_grad_() * 1).square().sum().backward()
    act = {key: value.clone() for key, value in norm.state_dict().items() if not key.startswith("act")}
    freeze_batch_norm(norm).train()
    x = x.clone().requires_grad_()
    norm(x * 1).square().sum().backward()
    assert x.grad.abs().sum() > 0
    optimiser.step()  # with the gradients of before, to the parameters that it still holds
    assert {name for name, _ in norm.named_parameters()} <= {"act.weight"}
    for key, value in act.items():
        assert torch.equal(norm.state_dict()[key], value), key


def test_unfreezing_gives_the_norm_back(case):
    norm, x = case
    twin = copy.deepcopy(norm)
    unfreeze_batch_norm(freeze_batch_norm(norm))
    assert type(norm) is type(twin)
    assert [name for name, _ in norm.named_parameters()] == [name for name, _ in twin.named_parameters()]
    for one, other in ((norm, twin), (norm.eval(), twin.eval())):
        assert torch.equal(one(x.clone()), other(x.clone()))
        assert_same_state(one, other.state_dict())


def test_copies_and_pickles_are_frozen_too(case):
    norm, x = case
    frozen = freeze_batch_norm(norm)
    stream = io.BytesIO()
    torch.save(frozen, stream)
    stream.seek(0)
    for twin in (copy.deepcopy(frozen), torch.load(stream, weights_only=False)):
        assert type(twin) is type(frozen)
        assert torch.equal(twin.train()(x.clone()), frozen(x.clone()))
        assert_same_state(twin, frozen.state_dict())


@pytest.mark.parametrize("name", ["2d", "with activation", "in place"])
def test_scripted_it_stays_frozen_in_train_mode(name):
    build, shape = NORMS[name]
    frozen = freeze_batch_norm(trained(build(), shape))
    scripted = torch.jit.script(frozen)
    x = torch.randn(shape)
    assert torch.equal(scripted.train()(x.clone()), frozen(x.clone()))
    assert_same_state(frozen, scripted.state_dict())


@pytest.mark.parametrize("name", ["2d", "with activation", "in place"])
def test_compiles_and_exports(name):
    build, shape = NORMS[name]
    frozen = freeze_batch_norm(trained(build(), shape)).train()
    x = torch.randn(shape)
    for program in (
        torch.compile(frozen, fullgraph=True, backend="aot_eager"),
        torch.export.export(frozen, (x.clone(),)).module(),
    ):
        torch.testing.assert_close(program(x.clone()), frozen(x.clone()))
    torch.compiler.reset()


def two_blocks():
    return nn.Sequential(
        *(nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), BatchNormAct2d(3)) for _ in range(2)),
    )


@pytest.mark.parametrize(
    ("names", "frozen"),
    [
        ("*", {"0.1", "0.2", "1.1", "1.2"}),
        ("1", {"1.1", "1.2"}),
        ("0.*", {"0.1", "0.2"}),
        (["?.2", "0.1"], {"0.1", "0.2", "1.2"}),
    ],
)
def test_names_and_patterns_choose_what_freezes_and_what_thaws(names, frozen):
    model = freeze_batch_norm(two_blocks(), names)
    assert model.training
    norms = {name: module for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)}
    assert {name for name, norm in norms.items() if not norm.training} == frozen
    freeze_batch_norm(model)
    unfreeze_batch_norm(model, names)
    assert {name for name, norm in norms.items() if norm.training} == frozen


def test_a_loaded_state_dict_still_replaces_what_is_frozen():
    source, model = trained(two_blocks(), (2, 3, 4, 4)), freeze_batch_norm(two_blocks())
    model.load_state_dict(source.state_dict())
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(model(x.clone()), source.eval()(x.clone()))


def test_mistakes_say_what_is_there():
    with pytest.raises(OptionError, match=r"no batch norm has a name like 'layr1'. Did you mean 'layer1'"):
        freeze_batch_norm(nn.ModuleDict({"layer1": nn.BatchNorm2d(2)}), "layr1")
    with pytest.raises(OptionError, match=r"no frozen batch norm has a name like '0.1'"):
        unfreeze_batch_norm(two_blocks(), "0.1")
    model = nn.Sequential(nn.BatchNorm2d(2), nn.BatchNorm2d(2, track_running_stats=False))
    with pytest.raises(OptionError, match="batch norm '1' has no running statistics to freeze"):
        freeze_batch_norm(model)
    assert len(list(model.parameters())) == 4
