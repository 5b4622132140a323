"""Pooling: the global kinds of a head, and average pooling that keeps the size."""

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from zoo_core.errors import OptionError, did_you_mean


class AdaptiveAvgMaxPool2d(nn.Module):
    """The mean of global average and global max pooling."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to (batch, channels, 1, 1)."""
        return 0.5 * (F.adaptive_avg_pool2d(x, 1) + F.adaptive_max_pool2d(x, 1))


class AdaptiveCatAvgMaxPool2d(nn.Module):
    """Global average and global max pooling, concatenated."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to (batch, 2 * channels, 1, 1)."""
        return torch.cat((F.adaptive_avg_pool2d(x, 1), F.adaptive_max_pool2d(x, 1)), dim=1)


class SelectAdaptivePool2d(nn.Module):
    """Global pooling by name.

    Args:
        pool_type: "avg", "max", "avgmax" (their mean), "catavgmax" (both, twice the channels), or "" or "none"
            (no pooling, and then no flattening either).
        flatten: drop the two spatial axes of size 1.

    Raises:
        OptionError: for another name, with the nearest one.
    """

    def __init__(self, pool_type: str = "avg", flatten: bool = True) -> None:
        super().__init__()
        if pool_type not in _POOLS:
            raise OptionError(f"unknown global_pool {pool_type!r}{did_you_mean(pool_type, _POOLS)}")
        self.pool_type = "" if pool_type == "none" else pool_type
        self.pool = _POOLS[pool_type]()
        self.flatten = nn.Flatten(1) if flatten and self.pool_type else nn.Identity()

    def is_identity(self) -> bool:
        """Whether it pools nothing."""
        return self.pool_type == ""

    def feat_mult(self) -> int:
        """How many channels come out per channel that goes in."""
        return 2 if self.pool_type == "catavgmax" else 1

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to (batch, channels * feat_mult())."""
        return self.flatten(self.pool(x))

    def extra_repr(self) -> str:
        """The kind."""
        return f"pool_type={self.pool_type!r}"


def _avg() -> nn.Module:
    return nn.AdaptiveAvgPool2d(1)


def _max() -> nn.Module:
    return nn.AdaptiveMaxPool2d(1)


_POOLS = {
    "avg": _avg,
    "max": _max,
    "avgmax": AdaptiveAvgMaxPool2d,
    "catavgmax": AdaptiveCatAvgMaxPool2d,
    "none": nn.Identity,
    "": nn.Identity,
}


class AvgPool2dSame(nn.Module):
    """Average pooling of 2x2 windows at stride 1 that keeps the size, padded with zeros below and to the right."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to the same."""
        return F.avg_pool2d(F.pad(x, [0, 1, 0, 1]), kernel_size=2, stride=1)
