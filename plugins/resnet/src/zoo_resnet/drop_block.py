"""DropBlock: dropping regions of a feature map in training."""

import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn
from zoo_core.layers import check_rate


class DropBlock2d(nn.Module):
    """DropBlock (https://arxiv.org/abs/1810.12890): drop squares of the map, in all channels alike.

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
        # Seeds lie where the whole region fits, so fewer positions must yield the same share.
        positions = (height - size + 1) * (width - size + 1)
        gamma = self.gamma_scale * self.p * (height * width) / size**2 / positions
        seeds = x.new_empty([x.shape[0], 1, height, width]).bernoulli_(gamma)
        dropped = F.max_pool2d(seeds, kernel_size=size, stride=1, padding=size // 2)
        keep = 1.0 - dropped
        return x * keep * (keep.numel() / keep.sum().clamp(min=1e-7)).to(x.dtype)

    def extra_repr(self) -> str:
        """Return the probability and the size."""
        return f"p={self.p}, block_size={self.block_size}"
