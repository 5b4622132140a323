"""oneDNN's fused convolutions, and buffers that grow: the same function."""

from __future__ import annotations

import pytest
import torch
import zoo_core
from small_nets import Dense, Residual, filled
from torch import nn
from zoo_inference.check import largest_error
from zoo_inference.graph import onednn
from zoo_inference.graph.fold import fold
from zoo_inference.graph.fuse import fuse
from zoo_inference.graph.grow import append, grow, new_buffer
from zoo_inference.graph.trace import trace
from zoo_inference.refused import Refused

ACTIVATIONS = {
    "relu": nn.ReLU(inplace=True),
    "leaky_relu": nn.LeakyReLU(0.2, inplace=True),
    "silu": nn.SiLU(),
    "hardswish": nn.Hardswish(),
    "hardsigmoid": nn.Hardsigmoid(),
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "relu6": nn.ReLU6(),
    "gelu": nn.GELU(),
    "gelu tanh": nn.GELU("tanh"),
    "elu": nn.ELU(),  # which the operators have not
    "mish": nn.Mish(),
}

needs_operators = pytest.mark.skipif(bool(onednn.missing()), reason=onednn.missing())


@needs_operators
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_convolution_ends_in_its_activation(name: str) -> None:
    net = filled(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), ACTIVATIONS[name], nn.Conv2d(8, 4, 1)))
    x = torch.randn(2, 3, 9, 9)
    graph, count = fuse(fold(trace(net, x))[0])
    assert count == 2
    with torch.no_grad():
        for probe in (x, x[:1], torch.randn(5, 3, 9, 9)):
            assert largest_error(graph(probe), net(probe)) < 5e-6
    operations = [node for node in graph.graph.nodes if node.op == "call_function"]
    assert len(operations) == (3 if name in ("elu", "mish") else 2)


@needs_operators
def test_a_sum_and_its_activation_are_part_of_the_convolution() -> None:
    net, x = filled(Residual()), torch.randn(2, 4, 6, 6)
    graph, _ = fuse(fold(trace(net, x))[0])
    assert largest_error(graph(x.clone()), net(x.clone()).detach()) < 2e-6
    assert len([node for node in graph.graph.nodes if node.op == "call_function"]) == 2


@needs_operators
@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("kernel", [1, 3])
def test_a_dense_block_grows_in_one_buffer(kernel: int, positive: bool) -> None:
    net, x = filled(Dense(kernel)), torch.randn(2, 3, 6, 6)
    for norm in net.norms:
        if positive:
            norm.weight.data.abs_()
        else:
            norm.weight.data[0] = 0.0  # the others are of both signs
    grown, buffers = grow(fold(trace(net, x))[0])
    assert buffers == 1
    assert torch.cat not in [node.target for node in grown.graph.nodes]
    with torch.no_grad():
        for graph in (grown, fuse(grown)[0]):
            for probe in (x, torch.randn(1, 3, 6, 6)):
                outputs = [output.contiguous() for output in graph(probe)]
                assert largest_error(outputs, net(probe)) < 2e-6


def test_a_buffer_begins_with_its_first_map() -> None:
    x, y = torch.randn(2, 3, 4, 4), torch.randn(2, 2, 4, 4)
    assert torch.equal(append(new_buffer(x, 5), y, 3, 2), torch.cat([x, y], 1))


@needs_operators
@pytest.mark.parametrize("name", ["test_resnet", "test_densenet", "test_cspnet", "test_xception"])
def test_extractors_of_every_family(name: str) -> None:
    net = filled(zoo_core.create_model(name, features_only=True))
    x = torch.randn(2, 3, 64, 64)
    graph = fuse(grow(fold(trace(net, x))[0])[0])[0]
    with torch.no_grad():
        assert largest_error(graph(x), net(x)) < 2e-5


def test_a_pytorch_without_the_operators_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = nn.Sequential(nn.Conv2d(3, 4, 1)).eval(), torch.randn(1, 3, 4, 4)
    graph = fold(trace(net, x))[0]
    monkeypatch.setattr(onednn, "missing", lambda: "this PyTorch has no oneDNN")
    with pytest.raises(Refused, match="no oneDNN"):
        fuse(graph)


def test_a_network_without_convolutions_refuses() -> None:
    net, x = nn.Sequential(nn.Linear(3, 4)).eval(), torch.randn(1, 3)
    with pytest.raises(Refused, match="no 2d convolution"):
        fuse(fold(trace(net, x))[0])
