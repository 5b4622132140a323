"""Drop rates, and dropping the residual branch in training (stochastic depth)."""

from collections.abc import Sequence

from torch import Tensor, nn

from zoo_core.errors import OptionError


class DropPath(nn.Module):
    """Stochastic depth (https://arxiv.org/abs/1603.09382): drop a residual branch, per sample.

    Kept samples are scaled by 1 / (1 - p), so that the expectation stays.

    Args:
        p: probability to drop, in 0 <= p < 1.
    """

    def __init__(self, p: float = 0.0) -> None:
        super().__init__()
        check_rate("p", p)
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """(batch, ...) to the same."""
        if self.p == 0.0 or not self.training:
            return x
        keep = 1.0 - self.p
        mask = x.new_empty([x.shape[0]] + [1] * (x.ndim - 1)).bernoulli_(keep)
        return x * mask.div_(keep)

    def extra_repr(self) -> str:
        """Return the probability."""
        return f"p={self.p}"


def drop_path_rates(rate: float, depths: Sequence[int]) -> list[list[float]]:
    """Return rates, per stage and block, that rise linearly from 0 to `rate`."""
    check_rate("drop_path_rate", rate)
    last = max(sum(depths) - 1, 1)
    starts = [sum(depths[:stage]) for stage in range(len(depths))]
    return [
        [rate * (start + block) / last for block in range(depth)] for start, depth in zip(starts, depths, strict=True)
    ]


def check_rate(name: str, rate: float) -> None:
    """Refuse a drop rate outside 0 <= rate < 1, and what is no number.

    Raises:
        OptionError: with the name of the option and the value.
    """
    try:
        fits = 0.0 <= rate < 1.0
    except TypeError:
        fits = False
    if not fits:
        raise OptionError(f"{name} {rate!r}: a drop rate is at least 0 and below 1")
