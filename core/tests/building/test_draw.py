"""Draws of our own follow the distributions of torch's, and torch's seeds."""

import pytest
import torch
from zoo_core.building.deferred import draw_uniform_

# Kolmogorov and Smirnov: two samples of n draws from one distribution differ by more than 2.2 /
# sqrt(n / 2) once in thousands of tries. The seed is fixed, so a test that passes goes on passing.
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
    ours = draw_uniform_(torch.full((count,), float("nan")), -bound, bound)
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
        return draw_uniform_(torch.empty(1001), -1.0, 1.0)

    assert torch.equal(draw(), draw())
    assert not torch.equal(draw(), draw_uniform_(torch.empty(1001), -1.0, 1.0))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes_and_views_are_drawn_too(dtype):
    assert draw_uniform_(torch.full((64,), 9.0, dtype=dtype), -0.5, 0.5).abs().max() <= 0.5
    base = torch.full((65,), 9.0)
    draw_uniform_(base[1:], -0.5, 0.5)
    assert base[0] == 9.0
    assert base[1:].abs().max() <= 0.5
    draw_uniform_(base.view(5, 13).t(), -0.5, 0.5)
    assert base.abs().max() <= 0.5
    draw_uniform_(base, 3, 4)
    assert base.min() >= 3
    assert base.max() <= 4
