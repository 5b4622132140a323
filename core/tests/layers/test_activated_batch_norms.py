"""The batch norms of Zoo against torch's own, in whatever state a user can bring one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.optim.swa_utils import update_bn
from zoo_core.layers import BatchNormAct2d, InplaceAbn, get_norm_act_layer

CHANNELS = 3
# What a user does to a norm: the name of an action, and its argument.
ACTIONS = st.one_of(
    st.tuples(st.just("forward"), st.sampled_from(["plain", "channels_last", "one pixel", "constant", "no gradient"])),
    st.tuples(st.just("train"), st.booleans()),
    st.tuples(st.just("momentum"), st.sampled_from([None, 0.0, 0.1, 1.0])),
    st.tuples(st.just("track_running_stats"), st.booleans()),
    st.tuples(st.just("reset"), st.sampled_from(["reset_running_stats", "reset_parameters"])),
    st.tuples(st.just("copy"), st.just("")),
    st.tuples(st.just("script"), st.just("")),
    st.tuples(st.just("forget"), st.sampled_from(["statistics", "count"])),
)


def images(kind: str, dtype: torch.dtype, seed: int) -> torch.Tensor:
    x = torch.randn(4, CHANNELS, 3, 2, generator=torch.Generator().manual_seed(seed)).to(dtype)
    x = {"one pixel": x[:, :, :1, :1], "constant": torch.ones_like(x)}.get(kind, x)
    return x.contiguous(memory_format=torch.channels_last) if kind == "channels_last" else x


def act_on(norm: nn.Module, action: str, argument: object) -> nn.Module:
    """What the user does; the norm afterwards."""
    if action == "train":
        return norm.train(bool(argument))
    if action == "copy":
        return copy.deepcopy(norm)
    if action == "reset":
        getattr(norm, str(argument))()
    elif action == "forget":
        for name in ["num_batches_tracked"] if argument == "count" else ["running_mean", "running_var"]:
            setattr(norm, name, None)
    else:
        setattr(norm, action, argument)
    return norm


def step(norm: nn.Module, act: nn.Module, x: torch.Tensor, *, scripted: bool, gradient: bool) -> list[torch.Tensor]:
    """Output, gradients and buffers of one step."""
    x = x.clone(memory_format=torch.preserve_format).requires_grad_(gradient)
    runs = torch.jit.script(norm) if scripted else norm
    norm.zero_grad()
    with torch.set_grad_enabled(gradient):
        out = act(runs(x))
    if out.requires_grad:
        (out * torch.arange(float(out.numel())).view_as(out)).sum().backward()
    return [out.detach(), x.grad, *(p.grad for p in norm.parameters())]


def attempt(function: Callable[[], Any]) -> Any:
    """What `function` returns, or the class of the error that it raises."""
    try:
        return function()
    except (ValueError, AttributeError, RuntimeError) as error:
        return type(error)


def assert_same_steps(ours: Any, theirs: Any, act: nn.Module, actions: list, dtype: Any, close: Any) -> None:
    scripted = False
    for seed, (action, argument) in enumerate([*actions, ("forward", "plain")]):
        if action == "script":
            scripted = seed % 3 == 0  # compiling takes longer than all the rest
            continue
        if action == "forward":
            x, gradient = images(str(argument), dtype, seed), argument != "no gradient"
            got = attempt(lambda: step(ours, nn.Identity(), x, scripted=scripted, gradient=gradient))  # noqa: B023
            expected = attempt(lambda: step(theirs, act, x, scripted=False, gradient=gradient))  # noqa: B023
            if isinstance(expected, type):
                assert isinstance(got, type), f"torch raises {expected.__name__}"
            else:
                close(got, expected)
            scripted = False
        else:
            done = [attempt(lambda: act_on(norm, action, argument)) for norm in (ours, theirs)]  # noqa: B023
            if isinstance(done[1], type):
                assert done[0] is done[1]
            else:
                ours, theirs = done
        assert list(ours.state_dict()) == list(theirs.state_dict())
        equal(list(ours.buffers()), list(theirs.buffers()))


def equal(ours: Any, theirs: Any) -> None:
    """Bit for bit, the kind of numbers included."""
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0, equal_nan=True)


STATES = {"momentum": st.sampled_from([None, 0.1]), "track_running_stats": st.booleans()}


@settings(max_examples=600, deadline=None)
@given(
    options=st.fixed_dictionaries({**STATES, "affine": st.booleans()}),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.bfloat16]),
    actions=st.lists(ACTIONS, min_size=1, max_size=8),
)
def test_the_activated_batch_norm_is_torchs_in_every_state(options, dtype, actions):
    ours = BatchNormAct2d(CHANNELS, act_layer="relu", **options).to(dtype)
    theirs = nn.BatchNorm2d(CHANNELS, **options).to(dtype)
    assert_same_steps(ours, theirs, nn.ReLU(), actions, dtype, equal)


class OfPositiveScales(nn.BatchNorm2d):
    """Torch's batch norm of the scales that the in-place one takes its own for."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scale = torch.where(self.weight < 0, -self.weight, self.weight) + self.eps
        return torch.func.functional_call(_Plain(self), {"norm.weight": scale}, (x,))


class _Plain(nn.Module):
    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.BatchNorm2d.forward(self.norm, x)


def near(ours: Any, theirs: Any) -> None:
    """The in-place norm computes its gradients from its output, in double precision here."""
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6, equal_nan=True)


@settings(max_examples=600, deadline=None)
@given(
    options=st.fixed_dictionaries(STATES),
    act=st.sampled_from(["leaky_relu", "elu", "identity"]),
    scales=st.lists(st.sampled_from([-1.5, -0.5, 0.5, 2.0]), min_size=CHANNELS, max_size=CHANNELS),
    actions=st.lists(ACTIONS, min_size=1, max_size=8),
)
def test_the_in_place_batch_norm_is_torchs_of_positive_scales_in_every_state(options, act, scales, actions):
    ours = InplaceAbn(CHANNELS, act_layer=act, **options).double()
    theirs = OfPositiveScales(CHANNELS, **options).double()
    for norm in (ours, theirs):
        nn.init.zeros_(norm.bias)
        norm.weight.data.copy_(torch.tensor(scales))
    modules = {"leaky_relu": nn.LeakyReLU(0.01), "elu": nn.ELU(), "identity": nn.Identity()}
    assert_same_steps(ours, theirs, modules[act], actions, torch.float64, near)


@pytest.mark.parametrize("layer", [BatchNormAct2d, InplaceAbn])
def test_update_bn_measures_the_statistics_of_a_data_set(layer):
    batches = [5 * torch.randn(8, CHANNELS, 4, 4) + 2 for _ in range(3)]
    ours, theirs = nn.Sequential(layer(CHANNELS)), nn.Sequential(nn.BatchNorm2d(CHANNELS))
    for net in (ours, theirs):
        update_bn(batches, net)
    for key, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[key], value), key
    assert float(ours[0].running_var.mean()) > 10


def test_a_partial_of_torchs_batch_norm_keeps_its_options_when_it_gets_an_activation():
    norm = get_norm_act_layer(partial(nn.BatchNorm2d, affine=False, track_running_stats=False, momentum=None))(4)
    assert norm.weight is None
    assert norm.running_mean is None
    assert norm.momentum is None


def test_maps_of_three_axes_are_refused_as_torch_does():
    for layer in (BatchNormAct2d, InplaceAbn, nn.BatchNorm2d):
        with pytest.raises(ValueError, match="expected 4D input"):
            layer(CHANNELS)(torch.randn(2, CHANNELS, 4))
