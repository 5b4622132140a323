"""Dropping paths and blocks of a residual network in training; in evaluation every layer here is the identity."""

from collections.abc import Sequence

import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from zoo_core.errors import OptionError


class DropPath(nn.Module):
    """Stochastic depth (https://arxiv.org/abs/1603.09382): drop a residual branch, per sample.

    Args:
        p: probability to drop, in 0 <= p < 1.
        scale_by_keep: scale what is kept by 1 / (1 - p), so that the expectation stays.
    """

    def __init__(self, p: float = 0.0, scale_by_keep: bool = True) -> None:
        super().__init__()
        check_rate("p", p)
        self.p = p
        self.scale_by_keep = scale_by_keep

    def forward(self, x: Tensor) -> Tensor:
        """(batch, ...) to the same."""
        if self.p == 0.0 or not self.training:
            return x
        keep = 1.0 - self.p
        mask = x.new_empty([x.shape[0]] + [1] * (x.ndim - 1)).bernoulli_(keep)
        if self.scale_by_keep:
            mask.div_(keep)
        return x * mask

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"


class DropBlock2d(nn.Module):
    """DropBlock (https://arxiv.org/abs/1810.12890): drop square regions of the feature map, in all channels alike.

    Args:
        p: share of the map that is dropped, in 0 <= p < 1.
        block_size: height and width of a dropped region, in pixels, odd; clipped to the map's.
        gamma_scale: scales the rate of seeds, 1 in the paper.
    """

    def __init__(self, p: float = 0.1, block_size: int = 7, gamma_scale: float = 1.0) -> None:
        super().__init__()
        check_rate("p", p)
        self.p = p
        self.block_size = block_size
        self.gamma_scale = gamma_scale

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to the same."""
        if self.p == 0.0 or not self.training:
            return x
        height, width = x.shape[-2:]
        size = min(self.block_size, height, width)
        size -= 1 - size % 2  # odd, so that a region has a middle
        # Seeds lie where the whole region fits, so fewer places must yield the same share.
        places = (height - size + 1) * (width - size + 1)
        gamma = self.gamma_scale * self.p * (height * width) / size**2 / places
        seeds = x.new_empty([x.shape[0], 1, height, width]).bernoulli_(gamma)
        dropped = F.max_pool2d(seeds, kernel_size=size, stride=1, padding=size // 2)
        keep = 1.0 - dropped
        return x * keep * (keep.numel() / keep.sum().clamp(min=1e-7)).to(x.dtype)

    def extra_repr(self) -> str:
        """The probability and the size."""
        return f"p={self.p}, block_size={self.block_size}"


def drop_path_rates(rate: float, depths: Sequence[int]) -> list[list[float]]:
    """Rates that rise linearly from 0 at the first block to `rate` at the last, per stage and block."""
    check_rate("drop_path_rate", rate)
    last = max(sum(depths) - 1, 1)
    starts = [sum(depths[:stage]) for stage in range(len(depths))]
    return [
        [rate * (start + block) / last for block in range(depth)] for start, depth in zip(starts, depths, strict=True)
    ]


def check_rate(name: str, rate: float) -> None:
    """Hold a drop rate to 0 <= rate < 1.

    Raises:
        OptionError: otherwise.
    """
    if not 0.0 <= rate < 1.0:
        raise OptionError(f"{name} {rate!r}: a drop rate is at least 0 and below 1")
