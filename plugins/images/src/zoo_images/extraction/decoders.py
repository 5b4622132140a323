"""From an encoded image to the pixels that the network sees, by one of several decoders.

``pillow`` is the reference: the pixels of `zoo_images.create_transform`, bit for bit.
``simplejpeg`` decodes JPEGs with that library, whose pixels are Pillow's, and resizes them with
PyTorch's 8-bit kernel, whose pixels differ from Pillow's by a level or two. Left to
Pillow's resizing the library gains nothing: it decodes faster, and packing its pixels for Pillow
takes as long.
``draft`` lets Pillow decode JPEGs at a half, a quarter or an eighth of their size where twice the
size that the network sees is left.

Whatever the fast ones do not take (other formats and colours, other ways to resize, enlarging,
broken files) Pillow does in full. A run says by how much its pixels differ from the reference.
"""

from __future__ import annotations

import io
import math
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import PIL
import torch
from PIL import Image
from PIL import features as pillow
from torch import Tensor
from zoo_core.errors import ImageError, MissingExtraError, OptionError, ZooError, did_you_mean

from zoo_images.transform import corner_of_crop, crop_image, open_image, pixels_of, resized_size

if TYPE_CHECKING:
    from zoo_core.config import PretrainedCfg

    from zoo_images.extraction.sources.base import Source

DECODERS = ("pillow", "simplejpeg", "draft")
_KERNELS = ("bilinear", "bicubic")
"""Interpolations that PyTorch does on 8 bits as Pillow does."""
_DRAFT_GAP = 2
"""How much larger than needed a JPEG is still decoded; Pillow's thumbnails take the same."""
_COMPARED = 8
_ORIENTATION = 0x0112


def require_decoder(name: str) -> None:
    """Refuse a decoder that does not exist or is not installed.

    Raises:
        OptionError: for another name than those of `DECODERS`.
        MissingExtraError: without its library.
    """
    if name not in DECODERS:
        raise OptionError(
            f"there is no decoder {name!r}{did_you_mean(name, DECODERS)}; there are {', '.join(DECODERS)}"
        )
    if name == "simplejpeg":
        try:
            import simplejpeg  # noqa: F401 - only whether it is there
        except ImportError as error:
            remedy = "pip install 'zoo-images[simplejpeg]'"
            raise MissingExtraError(f"the decoder 'simplejpeg' needs simplejpeg: {remedy}") from error


def decode(encoded: bytes | Path | OSError, name: str, cfg: PretrainedCfg, decoder: str = "pillow") -> Tensor:
    """Return an image's pixels as the network sees them, uint8 (height, width, channels).

    Args:
        encoded: an item of `Source.read`.
        name: what errors call it.
        cfg: the default config, which says how an image becomes an input.
        decoder: one of `DECODERS`.

    Raises:
        ImageError: for what is no image.
    """
    file = file_of(encoded, name)
    if decoder == "simplejpeg":
        if isinstance(file, Path):
            file = io.BytesIO(_read(file, name))
        if (pixels := _by_simplejpeg(file.getvalue(), cfg)) is not None:
            return pixels
    return pixels_of(crop_image(open_image(file, name, draft=_draft_for(cfg) if decoder == "draft" else None), cfg))


def file_of(encoded: bytes | Path | OSError, name: str) -> Path | io.BytesIO:
    """Return what can be opened of an item of `Source.read`.

    Raises:
        ImageError: for what cannot be read, or is no file.
    """
    if isinstance(encoded, OSError):
        raise ImageError(f"cannot read the image {name!r}: {encoded}")
    if isinstance(encoded, bytes):
        return io.BytesIO(encoded)
    if encoded.exists() and not encoded.is_file():
        raise ImageError(f"cannot read the image {name!r}: it is no file")  # reading a pipe may never end
    return encoded


def description(decoder: str, source: Source, cfg: PretrainedCfg) -> dict[str, Any]:
    """What turns files into pixels, with versions.

    Of another decoder than the reference also by how much its pixels differ, seen on some images
    spread over `source`.
    """
    libraries = ("libjpeg_turbo", "jpg", "zlib", "libtiff", "webp", "jpg_2000")
    facts: dict[str, Any] = {"name": decoder, "pillow": PIL.__version__}
    facts |= {name: pillow.version(name) for name in libraries}
    if decoder == "simplejpeg":
        facts |= {"simplejpeg": version("simplejpeg"), "kernel": torch.backends.cpu.get_cpu_capability()}
    if decoder != "pillow":
        facts["pixels"] = _difference(decoder, source, cfg)
    return facts


def _difference(decoder: str, source: Source, cfg: PretrainedCfg) -> dict[str, Any]:
    """The largest difference in levels, and the share of values that differ."""
    last, images, largest, shares = len(source) - 1, 0, 0, 0.0
    for number in sorted({round(place * last / (_COMPARED - 1)) for place in range(_COMPARED)}):
        (encoded,), name = source.read(number, number + 1), source.names[number]
        try:
            apart = (decode(encoded, name, cfg).int() - decode(encoded, name, cfg, decoder).int()).abs()
        except ZooError:
            continue  # the run will say why
        images, largest = images + 1, max(largest, int(apart.max()))
        shares += (apart > 0).double().mean().item()
    return {"compared": images, "largest_difference": largest, "share_differing": round(shares / max(images, 1), 6)}


def _read(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"cannot read the image {name!r}: {error.strerror or error}") from error


def _by_simplejpeg(data: bytes, cfg: PretrainedCfg) -> Tensor | None:
    """The pixels of a JPEG of plain colours; None for all else."""
    import simplejpeg

    if cfg.input_size[0] != 3 or cfg.interpolation not in _KERNELS or cfg.crop_mode == "border":
        return None
    if not data.startswith(b"\xff\xd8"):
        return None
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as header:  # it refuses bombs, and reads the EXIF
            orientation = header.getexif().get(_ORIENTATION, 1)
            if header.mode != "RGB" or simplejpeg.decode_jpeg_header(data)[2] != "YCbCr":
                return None
        pixels = torch.from_numpy(simplejpeg.decode_jpeg(data, fastdct=False, fastupsample=False))
    except Exception:  # whatever is wrong, Pillow finds it too, and says it
        return None
    image = _turned(pixels.permute(2, 0, 1), orientation)
    size = resized_size((image.shape[1], image.shape[2]), cfg)
    top, left = corner_of_crop(size, cfg)
    if min(top, left) < 0 or size[0] > image.shape[1] or size[1] > image.shape[2]:
        return None  # a crop beyond the edge; and PyTorch enlarges in another way
    batch = image.unsqueeze(0).contiguous(memory_format=torch.channels_last)
    (resized,) = torch.nn.functional.interpolate(batch, size=size, mode=cfg.interpolation, antialias=True)
    _, height, width = cfg.input_size
    return resized[:, top : top + height, left : left + width].permute(1, 2, 0)


def _turned(image: Tensor, orientation: int) -> Tensor:
    """Turn (channels, height, width) as EXIF's orientation, 1 to 8, says."""
    if orientation in (5, 6, 7, 8):
        image = image.transpose(1, 2)
    if orientation in (3, 4, 7, 8):
        image = image.flip(1)
    return image.flip(2) if orientation in (2, 3, 6, 7) else image


def _draft_for(cfg: PretrainedCfg) -> Any:
    """The smallest size (width, height) at which Pillow may decode a JPEG of a size."""

    def least(width: int, height: int) -> tuple[int, int]:
        # Its EXIF may say that it lies on its side: the larger scale of both counts.
        scales = [
            new / old
            for source in ((height, width), (width, height))
            for new, old in zip(resized_size(source, cfg), source, strict=True)
        ]
        return math.ceil(width * max(scales) * _DRAFT_GAP), math.ceil(height * max(scales) * _DRAFT_GAP)

    return least
