"""Graphs as programs: the same numbers, without Python between the operations."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import zoo_core
import zoo_inference
from small_nets import Answer, Residual, filled
from torch import nn
from torch.utils import _pytree as pytree
from zoo_inference.engines import in_torch
from zoo_inference.engines.subject import Subject
from zoo_inference.graph import onednn
from zoo_inference.graph.fold import fold
from zoo_inference.graph.fuse import fuse
from zoo_inference.graph.record import record
from zoo_inference.graph.trace import trace

pytestmark = pytest.mark.skipif(bool(onednn.missing()), reason=onednn.missing())


@pytest.mark.parametrize("name", ["test_resnet", "test_densenet", "test_xception"])
def test_a_program_computes_what_its_graph_does(name: str) -> None:
    net = filled(zoo_core.create_model(name, features_only=True))
    x = torch.randn(2, 3, 64, 64)
    graph = fuse(fold(trace(net, x))[0])[0]
    with torch.no_grad():
        program = record(graph, x)
        for images in (x, torch.randn_like(x)):
            leaves = pytree.tree_leaves(graph(images))  # which has its tensors again
            assert all(torch.equal(*pair) for pair in zip(program(images), leaves, strict=True))


@pytest.mark.parametrize("net", [Residual(), Answer()], ids=["tensor", "dict"])
def test_an_engine_returns_what_the_network_does_at_any_batch_size(net: nn.Module) -> None:
    net = filled(net)
    channels = next(net.parameters()).shape[1]
    run = in_torch.fused(Subject(net, torch.randn(2, channels, 8, 8)))
    with torch.no_grad():
        for batch in (2, 1, 5):
            x = torch.randn(batch, channels, 8, 8)
            found, expected = run(x), net(x.clone())
            assert pytree.tree_structure(found) == pytree.tree_structure(expected)
            for one, other in zip(pytree.tree_leaves(found), pytree.tree_leaves(expected), strict=True):
                assert torch.allclose(one, other, atol=1e-5)


def test_what_torchscript_cannot_hold_runs_as_a_graph() -> None:
    """A slope is a number of oneDNN's list of optional numbers."""
    net, x = nn.Sequential(nn.Conv2d(3, 8, 3), nn.LeakyReLU(0.2)).eval(), torch.randn(1, 3, 9, 9)
    with pytest.raises(NotImplementedError):
        record(fuse(fold(trace(net, x))[0])[0], x)
    with torch.no_grad():
        assert torch.allclose(in_torch.fused(Subject(net, x))(x), net(x), atol=1e-6)


def test_a_long_run_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = nn.Sequential(nn.Conv2d(3, 8, 3)).eval(), torch.randn(1, 3, 9, 9)
    monkeypatch.setattr(in_torch, "LONG_S", 0.0)
    assert isinstance(in_torch.fused(Subject(net, x)), torch.fx.GraphModule)


def test_several_threads_may_run_one_model() -> None:
    """A program keeps nothing between runs."""
    net = zoo_core.create_model("test_resnet.digits", pretrained=True).eval()
    images = [torch.randn(1, 3, 32, 32) for _ in range(16)]
    fast = zoo_inference.with_engine(net, images[0], "fused")
    expected = [fast(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(fast, images * 4))
    assert all(torch.equal(*pair) for pair in zip(found, expected * 4, strict=True))
