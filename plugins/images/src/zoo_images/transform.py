"""Image files to network input, as a default config says: resize, crop, normalise.

The result equals that of timm's and torchvision's evaluation transforms bit for bit (see
`tests/parity`).
"""

from __future__ import annotations

import math
from typing import IO, TYPE_CHECKING, cast

import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from zoo_core.config import INTERPOLATIONS
from zoo_core.errors import ConfigError, ImageError, OptionError, did_you_mean

from zoo_images.signatures import guess

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from zoo_core.config import PretrainedCfg

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "PPM", "ICO", "TGA", "AVIF", "JPEG2000")
"""Formats of photos. Pillow reads more, some by other programs: an EPS file runs Ghostscript."""
_MOST_PIXELS = 1 << 28
"""Of a resized image, before its crop: 800 MB."""
_MODES = {1: "L", 3: "RGB"}
"""Pillow's name for an image of so many channels."""


def open_image(
    file: str | Path | IO[bytes],
    name: str | None = None,
    *,
    draft: Callable[[int, int], tuple[int, int]] | None = None,
) -> Image.Image:
    """Read a whole image file: the first frame, turned as its camera was held, on white.

    Args:
        file: its path, or an open file.
        name: what errors call it; None for its path.
        draft: from a JPEG's width and height to the least that do: it may come out at a half, a
            quarter or an eighth of its size.

    Raises:
        ImageError: if the file is missing, is no image of `FORMATS`, ends early or has too many
            pixels.
    """
    what = repr(str(file) if name is None else name)
    try:
        Image.init()
        # How Pillow was built decides which of the formats it reads.
        with Image.open(file, formats=[each for each in FORMATS if each in Image.OPEN]) as image:
            if 0 in image.size:
                raise ImageError(f"the image {what} has no pixels: {image.width} x {image.height}")
            if draft:
                image.draft(None, draft(*image.size))
            ImageOps.exif_transpose(image, in_place=True)  # otherwise it copies each image, turned or not
            return _on_white(image)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        meaning = guess(file)
        raise ImageError(f"{what} is not an image that Pillow can read{': ' if meaning else ''}{meaning}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"the image {what} has too many pixels, as a decompression bomb has: {error}") from error
    except MemoryError as error:
        raise ImageError(f"the image {what} does not fit this machine's memory") from error
    except Exception as error:
        # Pillow's decoders raise errors of any type for a file that starts as an image and
        # continues as something else.
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ImageError(f"cannot read the image {what}: {reason}") from error


def crop_image(image: Image.Image, cfg: PretrainedCfg) -> Image.Image:
    """Return the part of an image that the network sees, of the size in ``cfg.input_size``.

    ``crop_mode`` "center" resizes the shorter side to ``input_size / crop_pct`` and cuts out the
    centre. "squash" resizes both sides to that size and ignores the proportions. "border" fits the
    whole image in, on a ground of the mean colour.

    Raises:
        ConfigError: for an interpolation or crop mode that does not exist.
        ImageError: for an image so narrow that resizing it would fill the memory.
        OptionError: for a network whose images have neither 1 (grey) nor 3 (RGB) channels.
    """
    return cut_image(resize_image(image, cfg), cfg)


def resize_image(image: Image.Image, cfg: PretrainedCfg) -> Image.Image:
    """Return a whole image in the network's colours, resized; see `crop_image`."""
    channels = cfg.input_size[0]
    if channels not in _MODES:
        raise OptionError(f"an image file gives 1 (grey) or 3 (RGB) channels, the network takes {channels}")
    image = _to_eight_bits(image)
    if image.mode != _MODES[channels]:
        image = image.convert(_MODES[channels])
    size = resized_size((image.height, image.width), cfg)
    return image.resize((size[1], size[0]), _resampling(cfg.interpolation))


def cut_image(image: Image.Image, cfg: PretrainedCfg) -> Image.Image:
    """Return the centre of a resized image, or the image on its ground; see `crop_image`."""
    _, height, width = cfg.input_size
    top, left = corner_of_crop((image.height, image.width), cfg)
    if cfg.crop_mode != "border":
        return image.crop((left, top, left + width, top + height))
    ground = tuple(round(255 * value) for value in cfg.mean)
    canvas = Image.new(image.mode, (width, height), ground if len(ground) == len(image.getbands()) else ground[0])
    canvas.paste(image, (-left, -top))
    return canvas


def pixels_of(image: Image.Image) -> Tensor:
    """Return the pixels of an 8-bit image, uint8 (height, width, channels)."""
    shape = image.height, image.width, len(image.getbands())
    return torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(shape)


def normalise_pixels(pixels: Tensor, cfg: PretrainedCfg) -> Tensor:
    """Convert uint8 (..., height, width, channels) to float32 (..., channels, height, width).

    Each value is divided by 255, then the channel's mean is subtracted, then it is divided by the
    channel's standard deviation.

    Raises:
        ConfigError: if mean or std have other channels than the pixels.
    """
    return standardise(scale_pixels(pixels), cfg)


def scale_pixels(pixels: Tensor) -> Tensor:
    """Convert uint8 (..., height, width, channels) to float32, channels first, from 0 to 1."""
    return pixels.movedim(-1, -3).contiguous().float().div_(255)


def standardise(values: Tensor, cfg: PretrainedCfg) -> Tensor:
    """Subtract the config's mean and divide by its std, in place; see `normalise_pixels`."""
    channels = values.shape[-3]
    if not channels == len(cfg.mean) == len(cfg.std):
        raise ConfigError(f"an image of {channels} channels needs as many numbers in mean {cfg.mean} and std {cfg.std}")
    mean, std = (torch.tensor(each, device=values.device).view(-1, 1, 1) for each in (cfg.mean, cfg.std))
    return values.sub_(mean).div_(std)


def normalise(image: Image.Image, cfg: PretrainedCfg) -> Tensor:
    """Convert an 8-bit image to float32 (channels, height, width), by the config's mean and std."""
    return normalise_pixels(pixels_of(image), cfg)


def transform_image(image: Image.Image, cfg: PretrainedCfg) -> Tensor:
    """Convert an image to one network input, float32 (channels, height, width)."""
    return normalise(crop_image(image, cfg), cfg)


def load_images(paths: Sequence[str | Path], cfg: PretrainedCfg) -> Tensor:
    """Read image files into one batch, float32 (images, channels, height, width).

    Raises:
        ImageError: for the first file that is no image.
    """
    return torch.stack([transform_image(open_image(path), cfg) for path in paths])


def resized_size(source: tuple[int, int], cfg: PretrainedCfg) -> tuple[int, int]:
    """Return the (height, width) that an image of `source` is resized to, before the crop.

    Raises:
        ConfigError: for a crop mode that does not exist.
        ImageError: for an image so narrow that resizing it would fill the memory.
    """
    _, height, width = cfg.input_size
    target = math.floor(height / cfg.crop_pct), math.floor(width / cfg.crop_pct)
    size = _resized(source, target, cfg.crop_mode)
    if size[0] * size[1] > _MOST_PIXELS:
        raise ImageError(
            f"an image of {source[1]} x {source[0]} is too narrow: "
            f"for a crop of {height} x {width} it would be resized to {size[1]} x {size[0]}"
        )
    return size


def corner_of_crop(size: tuple[int, int], cfg: PretrainedCfg) -> tuple[int, int]:
    """Return where (top, left) the crop of a resized image starts; negative where it is larger."""
    _, height, width = cfg.input_size
    return _margin(size[0], height), _margin(size[1], width)


def _resized(source: tuple[int, int], target: tuple[int, int], mode: str) -> tuple[int, int]:
    if mode == "squash":
        return target
    if mode not in ("center", "border"):
        raise ConfigError(f"unknown crop_mode {mode!r}{did_you_mean(mode, ('center', 'squash', 'border'))}")
    if mode == "center" and target[0] == target[1]:
        # torchvision truncates the longer side; a rounded one would differ from it by a pixel.
        short, long = min(source), max(source)
        longer = int(target[0] * long / short)
        return (target[0], longer) if source[0] <= source[1] else (longer, target[0])
    fit = max if mode == "border" else min
    ratio = fit(source[0] / target[0], source[1] / target[1])
    return max(1, round(source[0] / ratio)), max(1, round(source[1] / ratio))


def _margin(size: int, crop: int) -> int:
    """Return where a crop starts, rounded as in torchvision; negative where it exceeds `size`."""
    return round((size - crop) / 2) if size >= crop else -((crop - size) // 2)


def _resampling(interpolation: str) -> Image.Resampling:
    if interpolation not in INTERPOLATIONS:
        raise ConfigError(
            f"unknown interpolation {interpolation!r}{did_you_mean(interpolation, INTERPOLATIONS)}; "
            f"there are {', '.join(INTERPOLATIONS)}"
        )
    return Image.Resampling[interpolation.upper()]


def _on_white(image: Image.Image) -> Image.Image:
    """Return an image without transparency, as it looks on a white page."""
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey and floats from 0 to 1 to 8 bits. Pillow's conversion would clip them."""
    if image.mode.startswith("I;16"):
        return image.point(lambda value: value * (1 / 256)).convert("L")
    if image.mode in ("I", "F"):
        low, high = cast("tuple[float, float]", image.getextrema())
        if image.mode == "I" and high > 255:
            return image.point(lambda value: value * (1 / 256)).convert("L")
        if image.mode == "F" and 0 <= low <= high <= 1:
            return image.point(lambda value: value * 255.0).convert("L")
    return image
