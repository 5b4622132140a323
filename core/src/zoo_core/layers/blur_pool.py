"""Anti-aliased downsampling (https://arxiv.org/abs/1904.11486): low-pass filter, then subsample."""

from collections.abc import Callable
from math import comb
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from zoo_core.errors import OptionError, look_up

AaLayer = str | Callable[..., nn.Module] | None
"""A name of `get_aa_layer`, a module class, or None for no anti-aliasing."""


class BlurPool2d(nn.Module):
    """Blur each channel with a binomial filter, and subsample.

    Args:
        channels: of the input.
        filt_size: width of the filter; 3 is (1, 2, 1) / 4 by (1, 2, 1) / 4.
        stride: step of the subsampling.
        pad_mode: how the border is padded, as `torch.nn.functional.pad` names it.
    """

    if TYPE_CHECKING:  # TorchScript reads a class's annotations, and cannot where they are strings
        filt: Tensor

    def __init__(self, channels: int, filt_size: int = 3, stride: int = 2, pad_mode: str = "reflect") -> None:
        super().__init__()
        if filt_size < 2:
            raise OptionError(f"filt_size {filt_size}: a blur filter has at least 2 taps")
        self.channels = channels
        self.stride = stride
        self.pad_mode = pad_mode
        self.padding = [(stride - 1 + filt_size - 1) // 2] * 4
        # Not part of a state dict, so published weights load; `reset_parameters` fills it after
        # `to_empty`.
        self.register_buffer("filt", torch.empty(channels, 1, filt_size, filt_size), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Fill the filter."""
        taps = self.filt.shape[-1]
        row = torch.tensor([comb(taps - 1, k) for k in range(taps)], dtype=torch.float32)
        row = row / 2 ** (taps - 1)
        with torch.no_grad():
            self.filt.copy_(row[:, None] * row[None, :])

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, h, w) to (batch, channels, ceil(h / stride), ceil(w / stride))."""
        x = F.pad(x, self.padding, mode=self.pad_mode)
        return F.conv2d(x, self.filt, stride=self.stride, groups=self.channels)


_AA_LAYERS: dict[str, Callable[..., nn.Module]] = {"avg": nn.AvgPool2d, "blur": BlurPool2d}


def get_aa_layer(aa: AaLayer) -> Callable[..., nn.Module] | None:
    """Return the class of "avg" (average pooling) or "blur" (`BlurPool2d`); None and "" give None.

    Raises:
        OptionError: for an unknown name, with the nearest one.
    """
    if aa is None or aa == "":
        return None
    return look_up("anti-aliasing layer", aa, _AA_LAYERS) if isinstance(aa, str) else aa


def is_avg_pool(aa: Callable[..., nn.Module] | None) -> bool:
    """Tell whether an anti-aliasing layer is plain average pooling."""
    return isinstance(aa, type) and issubclass(aa, nn.AvgPool2d)


def create_aa(aa: AaLayer, channels: int, stride: int = 2) -> nn.Module:
    """Make a layer that subsamples `channels` channels by `stride`; `nn.Identity` for None."""
    layer = get_aa_layer(aa)
    if layer is None:
        return nn.Identity()
    return layer(stride) if is_avg_pool(layer) else layer(channels=channels, stride=stride)
