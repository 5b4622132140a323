"""The parts of blocks that no other family has."""

from __future__ import annotations

import pytest
import torch
from zoo_core import OptionError
from zoo_resnet.blocks import AvgPool2dSame
from zoo_resnet.drop_block import DropBlock2d


def test_drop_block_drops_squares_of_the_wanted_share() -> None:
    torch.manual_seed(0)
    out = DropBlock2d(0.1, block_size=3)(torch.ones(500, 2, 20, 20))
    dropped = (out[:, 0] == 0).float()
    assert torch.equal(out[:, 0], out[:, 1])
    assert dropped.mean().item() == pytest.approx(0.1, abs=0.03)
    assert out.mean().item() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_drop_block_takes_maps_smaller_than_its_block(size: int) -> None:
    assert DropBlock2d(0.5, block_size=7)(torch.ones(2, 3, size, size)).shape == (2, 3, size, size)


def test_pooling_at_the_same_size_averages_with_what_lies_right_and_below() -> None:
    out = AvgPool2dSame()(torch.ones(1, 1, 2, 2))
    assert out.tolist() == [[[[1.0, 0.5], [0.5, 0.25]]]]


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_a_drop_rate_is_a_share(rate: float) -> None:
    with pytest.raises(OptionError, match="at least 0 and below 1"):
        DropBlock2d(rate)
