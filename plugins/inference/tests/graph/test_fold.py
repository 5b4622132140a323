"""Folding: the same function, with fewer norms."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
import zoo_core
from hypothesis import given, settings
from hypothesis import strategies as st
from small_nets import Mutated, PreActivation, Residual, Shared, filled
from torch import nn
from zoo_inference.check import largest_error
from zoo_inference.graph.fold import fold
from zoo_inference.graph.nodes import Constants
from zoo_inference.graph.trace import trace
from zoo_inference.refused import Refused


def folded(net: nn.Module, x: torch.Tensor) -> tuple[float, int, list[object]]:
    """The largest error of the folded graph, how many norms it folded, and its operations."""
    graph, count = fold(trace(net, x))
    with torch.no_grad():
        error = largest_error(graph(x.clone()), net(x.clone()))
    return error, count, [node.target for node in graph.graph.nodes]


@given(
    groups=st.sampled_from([1, 2, 4]),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 2),
    dilation=st.integers(1, 2),
    bias=st.booleans(),
    affine=st.booleans(),
    seed=st.integers(0, 100),
)
@settings(max_examples=25, deadline=None)
def test_a_convolution_and_its_norm_are_one(
    groups: int, kernel: int, stride: int, dilation: int, bias: bool, affine: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    conv = nn.Conv2d(4, 8, kernel, stride, 1, dilation, groups, bias)
    net = filled(nn.Sequential(conv, nn.BatchNorm2d(8, affine=affine)), seed)
    error, count, _ = folded(net, torch.randn(2, 4, 7, 9))
    assert error < 2e-6
    assert count == 1


def test_parameters_are_computed_in_float64_and_rounded_once() -> None:
    net = filled(nn.Sequential(nn.Conv2d(3, 5, 3, bias=False), nn.BatchNorm2d(5)))
    graph, _ = fold(trace(net, torch.randn(1, 3, 8, 8)))
    norm = net[1]
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    exact = (net[0].weight.double() * scale.reshape(-1, 1, 1, 1)).float()
    weight = next(buffer for buffer in graph.buffers() if buffer.dim() == 4)
    assert torch.allclose(weight, exact, rtol=1.2e-7, atol=0)


@pytest.mark.parametrize("norms", [1, 2])
def test_a_shared_convolution_is_folded_once_for_each_of_its_norms(norms: int) -> None:
    graph, count = fold(trace(filled(Shared(norms)), x := torch.randn(2, 4, 5, 5)))
    assert count == 2
    assert len([buffer for buffer in graph.buffers() if buffer.dim() == 4]) == norms
    assert folded(filled(Shared(norms)), x)[0] < 2e-6


def test_norms_that_cannot_be_folded_stay() -> None:
    error, count, targets = folded(filled(PreActivation()), torch.randn(2, 4, 6, 6))
    assert (error, count) == (0, 0)
    assert {"bn1", "bn2"} <= set(targets)


def test_sums_and_activations_in_place_keep_their_meaning() -> None:
    assert folded(filled(Residual()), torch.randn(2, 4, 6, 6))[0] < 2e-6
    assert folded(filled(Mutated()), torch.randn(2, 4, 6, 6))[0] < 2e-6


def test_the_network_itself_does_not_change() -> None:
    net = filled(Residual())
    before = {name: value.clone() for name, value in net.state_dict().items()}
    folded(net, torch.randn(2, 4, 6, 6))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert [name for name, _ in net.named_modules()] == [name for name, _ in Residual().named_modules()]


def test_a_norm_that_is_almost_constant_is_not_folded_into_infinity() -> None:
    net = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2, eps=0.0)).eval()
    net[1].running_var.zero_()
    assert fold(trace(net, torch.randn(1, 2, 3, 3)))[1] == 0


NORMS = {
    "test_resnet": 15,  # a deep stem and shortcuts of pooling and convolution
    "test_cspnet": None,  # cross stages, whose norms carry activations
    "test_xception": None,  # depthwise
    "test_densenet": None,  # pre-activation
}


@pytest.mark.parametrize("name", NORMS)
def test_every_family_folds_exactly(name: str) -> None:
    net = filled(zoo_core.create_model(name))
    error, count, targets = folded(net, torch.randn(2, 3, 64, 64))
    assert error < 2e-5
    assert count > 5
    assert NORMS[name] in (None, count)
    if name != "test_densenet" and name != "test_xception":
        assert F.batch_norm not in targets


def test_what_cannot_be_traced_is_refused_with_the_reason() -> None:
    from small_nets import Branching

    with pytest.raises(Refused, match=r"torch\.fx cannot trace it: TraceError"):
        trace(Branching().eval(), torch.randn(1, 3, 4, 4))


def test_a_new_constant_takes_no_name_that_is_in_use() -> None:
    """A pass may have dropped the first ones, so that their number is no free name."""
    net = torch.fx.symbolic_trace(nn.Identity())
    kept = torch.ones(2)
    net.register_buffer("constant_1", kept)
    Constants(net).node(torch.zeros(2))
    Constants(net).node(torch.zeros(2))
    assert net.constant_1 is kept
