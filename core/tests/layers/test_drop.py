"""Drop rates and stochastic depth."""

from __future__ import annotations

import pytest
import torch
from zoo_core.errors import OptionError
from zoo_core.layers import DropPath, drop_path_rates

IMAGES = torch.randn(2, 8, 12, 12)


def test_drop_path_drops_whole_samples_and_keeps_the_expectation() -> None:
    torch.manual_seed(0)
    out = DropPath(0.25)(torch.ones(4000, 2, 1, 1))
    assert out.unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert out.mean().item() == pytest.approx(1, abs=0.05)
    assert torch.equal(out[:, 0], out[:, 1])
    assert torch.equal(DropPath(0.25).eval()(IMAGES), IMAGES)


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_a_drop_rate_is_a_share(rate: float) -> None:
    with pytest.raises(OptionError, match="at least 0 and below 1"):
        DropPath(rate)


def test_drop_path_rates_rise_to_the_rate() -> None:
    assert drop_path_rates(0.3, (1, 3)) == [[0.0], pytest.approx([0.1, 0.2, 0.3])]
    assert drop_path_rates(0.3, (1,)) == [[0.0]]
