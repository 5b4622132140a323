"""The steps of an evaluation's transform, with the names and attributes of torchvision's.

One after the other they do what `zoo_images.transform_image` does.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from zoo_images.transform import cut_image, pixels_of, resize_image, scale_pixels, standardise

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor
    from zoo_core.config import PretrainedCfg

Step = Callable[[Any], Any]


def steps_of(cfg: PretrainedCfg) -> list[Step]:
    """Return the steps from an image to a network's input, as a default config says."""
    return [Resize(cfg), CenterCrop(cfg), ToTensor(), Normalize(cfg)]


@dataclasses.dataclass(frozen=True)
class _Configured:
    """A step as a default config says."""

    cfg: PretrainedCfg


class Resize(_Configured):
    """Resizes an image as the config's ``crop_mode`` says."""

    @property
    def size(self) -> int | tuple[int, int]:
        """(height, width) to fit the image to; one number for its shorter side."""
        height, width = (math.floor(side / self.cfg.crop_pct) for side in self.cfg.input_size[1:])
        return height if self.cfg.crop_mode == "center" and height == width else (height, width)

    @property
    def interpolation(self) -> str:
        """The config's, by name."""
        return self.cfg.interpolation

    def __call__(self, image: Image.Image) -> Image.Image:
        """See `zoo_images.transform.resize_image`."""
        return resize_image(image, self.cfg)


class CenterCrop(_Configured):
    """Cuts out the centre of an image, or sets it on a ground of the mean colour."""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.cfg.input_size[1:]

    def __call__(self, image: Image.Image) -> Image.Image:
        """See `zoo_images.transform.cut_image`."""
        return cut_image(image, self.cfg)


@dataclasses.dataclass(frozen=True)
class ToTensor:
    """Converts an image to float32 (channels, height, width) from 0 to 1."""

    def __call__(self, image: Image.Image) -> Tensor:
        """See `zoo_images.transform.scale_pixels`."""
        return scale_pixels(pixels_of(image))


class Normalize(_Configured):
    """Subtracts the channels' means and divides by their standard deviations."""

    @property
    def mean(self) -> Tensor:
        """Of each channel."""
        return torch.tensor(self.cfg.mean)

    @property
    def std(self) -> Tensor:
        """Of each channel."""
        return torch.tensor(self.cfg.std)

    def __call__(self, values: Tensor) -> Tensor:
        """See `zoo_images.transform.standardise`; `values` stay as they are."""
        return standardise(values.clone(), self.cfg)
