"""Convolutions by tiles: the same function, with fewer multiplications."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
import zoo_core
from hypothesis import given
from hypothesis import strategies as st
from small_nets import filled
from torch import Tensor, nn
from zoo_inference.check import largest_error
from zoo_inference.graph import onednn, winograd
from zoo_inference.graph import tile as module
from zoo_inference.graph.fold import fold
from zoo_inference.graph.fuse import fuse
from zoo_inference.graph.nodes import Conv
from zoo_inference.graph.tile import SIZES, best_tile, tile
from zoo_inference.graph.trace import trace
from zoo_inference.graph.winograd import MOST_PLANS, POINTS, Tiled, filtering
from zoo_inference.refused import Refused

pytestmark = pytest.mark.skipif(bool(onednn.missing()), reason=onednn.missing())


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute by tiles whatever can be: small networks would not gain from it."""
    monkeypatch.setattr(module, "LAYER", -1e18)


def conv_of(x: Tensor, weight: Tensor, bias: Tensor | None = None, padding: tuple[int, int] = (1, 1)) -> Conv:
    node: Any = SimpleNamespace(meta={"shape": tuple(x.shape)})
    return Conv(node, weight, bias, (1, 1), padding, (1, 1), 1)


@pytest.mark.parametrize("length", POINTS)
def test_a_filtering_is_a_correlation(length: int) -> None:
    found, (inputs, taps) = filtering(length), torch.randn(2, length + 2, dtype=torch.float64)
    taps = taps[:3]
    outputs = found.outputs @ ((found.filters @ taps) * (found.inputs @ inputs))
    assert torch.allclose(outputs, inputs.unfold(0, 3, 1) @ taps, rtol=0, atol=1e-10)


@given(
    size=st.sampled_from(SIZES),
    batch=st.integers(1, 3),
    height=st.integers(3, 17),
    width=st.integers(3, 17),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    biased=st.booleans(),
)
def test_tiles_compute_the_convolution(
    size: tuple[int, int], batch: int, height: int, width: int, padding: tuple[int, int], biased: bool
) -> None:
    x, weight = torch.randn(batch, 16, height, width), torch.randn(24, 16, 3, 3)
    bias = torch.randn(24) if biased else None
    with torch.no_grad():
        found = Tiled(conv_of(x, weight, bias, padding), size)(x)
        expected = F.conv2d(x.double(), weight.double(), None if bias is None else bias.double(), padding=padding)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert largest_error(found.double().contiguous(), expected.contiguous()) < 3e-5


def test_a_batch_may_have_another_size_than_the_example() -> None:
    weight, example = torch.randn(32, 16, 3, 3), torch.randn(2, 16, 9, 9)
    tiled = Tiled(conv_of(example, weight), (4, 0))
    tiled.images = 3  # larger batches are computed in parts, which stay in the caches
    with torch.no_grad():
        for batch in (1, 2, 3, 4, 5, 6, 7, 8):
            x = torch.randn(batch, 16, 9, 9)
            assert largest_error(tiled(x).contiguous(), F.conv2d(x, weight, padding=1)) < 2e-5
    assert len(tiled.plans) <= MOST_PLANS


@given(batch=st.integers(1, 40), most=st.integers(1, 40))
def test_a_batch_is_cut_into_equal_parts(batch: int, most: int) -> None:
    """Another size than the packed one's is computed several times slower by oneDNN."""
    weight, planes = torch.randn(16, 16, 3, 3), 6 * 2 * 16  # F(4, 3), of 8 rows, and 16 channels
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "MOST_NUMBERS", most * planes * 5)
        images = Tiled(conv_of(torch.empty(batch, 16, 8, 5), weight), (4, 0)).images
    assert batch % images == 0
    assert images <= most


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(64, 64, 3, padding=1, stride=2),
        nn.Conv2d(64, 64, 3, padding=2, dilation=2),
        nn.Conv2d(64, 64, 3, padding=1, groups=2),
        nn.Conv2d(64, 64, 1),
        nn.Conv2d(64, 64, 5, padding=2),
        nn.Conv2d(64, 8, 3, padding=1),
        nn.Conv2d(64, 64, 3, padding=1).double(),
    ],
    ids=["strided", "dilated", "grouped", "1x1", "5x5", "few channels", "float64"],
)
def test_other_convolutions_stay(conv: nn.Conv2d, everywhere: None) -> None:
    x = torch.randn(1, 64, 56, 56, dtype=conv.weight.dtype)
    with pytest.raises(Refused, match="no 3x3 convolution"):
        tile(fold(trace(nn.Sequential(conv).eval(), x))[0])


def test_only_what_gains_is_computed_by_tiles() -> None:
    """A layer of resnet50's first stage gains; a tiny one, and one of few pixels, do not."""
    for channels, size, expected in ((64, 56, True), (16, 8, False), (1024, 2, False)):
        conv = conv_of(torch.empty(1, channels, size, size), torch.empty(channels, channels, 3, 3))
        assert (best_tile(conv) is not None) is expected


class Kept(nn.Module):
    """Sums, activations of every kind, and maps that are returned, or read again later."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(16, 16, 3, padding=1) for _ in range(4))
        self.act = activation

    def forward(self, x: Tensor) -> list[Tensor]:
        first = self.convs[0](x)
        second = self.act(self.convs[1](first)) + first
        third = self.act(self.convs[2](second) + second)
        return [first, second + third, self.convs[3](third) + x, torch.relu(first)]


@pytest.mark.parametrize(
    "activation",
    [nn.ReLU(), nn.ReLU(inplace=True), nn.LeakyReLU(0.1), nn.SiLU(), nn.GELU(), nn.ReLU6(), nn.Hardswish(), nn.ELU()],
    ids=str,
)
@pytest.mark.parametrize("tiles", [True, False])
def test_nothing_is_overwritten_that_is_read_again(tiles: bool, activation: nn.Module, everywhere: None) -> None:
    net, x = Kept(activation).eval(), torch.randn(2, 16, 12, 12)
    graph = fold(trace(net, x))[0]
    graph = fuse(tile(graph)[0] if tiles else graph)[0]
    given_x = x.clone()
    with torch.no_grad():
        outputs = graph(x)
        again = [output.clone() for output in outputs]
        graph(torch.randn(2, 16, 12, 12))
        assert largest_error(outputs, net(given_x)) < 2e-5
    assert torch.equal(x, given_x)
    assert all(torch.equal(output, copy) for output, copy in zip(outputs, again, strict=True))


@pytest.mark.parametrize("name", ["test_resnet", "test_cspnet"])
def test_extractors_by_tiles(name: str, everywhere: None) -> None:
    net = filled(zoo_core.create_model(name, features_only=True))
    x = torch.randn(2, 3, 64, 64)
    graph, count = tile(fold(trace(net, x))[0])
    assert count
    with torch.no_grad():
        assert largest_error(fuse(graph)[0](x), net(x)) < 1e-4
