"""Draws of our own follow the distributions of torch's, and torch's seeds."""

import pytest
import torch
from torch import nn
from zoo_core.draw import draw_as_torch, draw_he_, draw_uniform_

# Kolmogorov and Smirnov: two samples of n draws from one distribution differ by more than 2.2 / sqrt(n / 2) once in
# thousands of tries. The seed is fixed, so a test that passes goes on passing.
LIMIT = 2.2


def largest_difference(one: torch.Tensor, other: torch.Tensor) -> float:
    """Of the two empirical distribution functions."""
    n = one.numel()
    at = torch.cat([one, other]).sort().values
    below = [torch.searchsorted(sample.sort().values, at, right=True) / n for sample in (one, other)]
    return (below[0] - below[1]).abs().max().item()


@pytest.mark.parametrize("count", [1, 2, 3, 100_001])
@pytest.mark.parametrize("bound", [1.0, 0.01])
def test_uniform_draws_are_torchs_in_distribution(count, bound):
    torch.manual_seed(0)
    ours = draw_uniform_(torch.full((count,), float("nan")), bound)
    theirs = torch.empty(count).uniform_(-bound, bound)
    assert ours.abs().max() <= bound
    if count > 4:
        assert largest_difference(ours, theirs) <= LIMIT / (count / 2) ** 0.5
        assert ours.unique().numel() > 0.99 * count
        pairs = ours[: count // 2 * 2].view(-1, 2)  # the two that come from one draw of 64 bits
        assert torch.corrcoef(pairs.T)[0, 1].abs() < 5 / (count / 2) ** 0.5


def test_a_seed_gives_the_same_draws():
    def draw():
        torch.manual_seed(3)
        return draw_uniform_(torch.empty(1001), 1.0)

    assert torch.equal(draw(), draw())
    assert not torch.equal(draw(), draw_uniform_(torch.empty(1001), 1.0))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes_and_views_are_drawn_too(dtype):
    assert draw_uniform_(torch.full((64,), 9.0, dtype=dtype), 0.5).abs().max() <= 0.5
    base = torch.full((65,), 9.0)
    draw_uniform_(base[1:], 0.5)
    assert base[0] == 9.0
    assert base[1:].abs().max() <= 0.5
    draw_uniform_(base.view(5, 13).t(), 0.5)
    assert base.abs().max() <= 0.5


@pytest.mark.parametrize("layer", [nn.Conv2d(32, 64, 3), nn.Conv2d(64, 64, 3, groups=8), nn.Linear(300, 200)])
def test_a_layers_own_draw_is_torchs_in_distribution(layer):
    torch.manual_seed(0)
    layer.reset_parameters()
    theirs = [parameter.detach().clone() for parameter in layer.parameters()]
    draw_as_torch(layer)
    for ours, other in zip(layer.parameters(), theirs, strict=True):
        difference = largest_difference(ours.detach().flatten(), other.flatten())
        assert difference <= LIMIT / (other.numel() / 2) ** 0.5


@pytest.mark.parametrize("fan", ["fan_in", "fan_out"])
@pytest.mark.parametrize("layer", [nn.Conv2d(32, 64, 3, stride=2), nn.Conv2d(64, 128, (1, 5), groups=8)])
def test_hes_draw_is_torchs(layer, fan):
    drawn = []
    for draw in (draw_he_, lambda weight, mode: nn.init.kaiming_normal_(weight, mode=mode, nonlinearity="relu")):
        torch.manual_seed(0)
        drawn.append(draw(layer.weight, fan).detach().clone())
    assert torch.equal(*drawn)
    assert layer.weight.requires_grad
    assert draw_he_(torch.empty(0, 3, 1, 1), fan).numel() == 0
