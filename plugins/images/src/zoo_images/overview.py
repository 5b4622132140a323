"""A picture of an output: its images on a sheet, and on a plane where like images lie close."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import PIL.Image
import torch
from PIL import ImageDraw
from zoo_core.errors import ImageError, OptionError

from zoo_images.extraction.decoders import file_of
from zoo_images.extraction.run import read_run
from zoo_images.extraction.shards import read_features
from zoo_images.extraction.sources import open_source
from zoo_images.picture import GAP, GROUND, INK, LINE, write_line
from zoo_images.transform import open_image

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from zoo_images.extraction.sources.base import Source

THUMBNAIL, PLANE = 72, 960
"""Sides of a thumbnail and of the plane, in pixels."""
MOST = 400
"""How many images are drawn, spread evenly over the output."""


def draw_overview(output: str | Path) -> Image:
    """Draw up to `MOST` images: a sheet in their order, and the plane of their vectors.

    The plane is spanned by the first two principal components of the first feature.

    Raises:
        OptionError: when the output holds no features.
    """
    folder = Path(output)
    settings = read_run(folder)["settings"]
    source = open_source(settings["source"], column=settings["column"])
    numbers, vectors = _drawn(folder)
    thumbnails = [_thumbnail(source, number) for number in numbers]
    columns = max(1, -(-len(numbers) // (PLANE // THUMBNAIL)))
    left = columns * THUMBNAIL
    top = GAP + LINE + GAP
    picture = PIL.Image.new("RGB", (3 * GAP + left + PLANE, top + PLANE + GAP), GROUND)
    draw = ImageDraw.Draw(picture)
    title = f"{settings['network']['model']}: {len(numbers)} of {len(source)} images, and the plane of their features"
    write_line(draw, (GAP, GAP), title, INK, LINE - 1, room=picture.width - 2 * GAP)
    for place, thumbnail in enumerate(thumbnails):
        row, column = divmod(place, columns)
        picture.paste(thumbnail, (GAP + column * THUMBNAIL, top + row * THUMBNAIL))
    plane = projected(vectors)
    low, high = plane.min(dim=0).values, plane.max(dim=0).values
    spread = (plane - low) / (high - low).clamp_min(1e-12) * (PLANE - THUMBNAIL)
    for (x, y), thumbnail in zip(spread.round().int().tolist(), thumbnails, strict=True):
        picture.paste(thumbnail, (2 * GAP + left + x, top + y))
    return picture


def projected(vectors: Tensor) -> Tensor:
    """Project vectors (images, values) on their first two principal components: (images, 2).

    Pearson, "On lines and planes of closest fit to systems of points in space" (1901).
    """
    centred = vectors.double() - vectors.double().mean(dim=0)
    _, _, axes = torch.linalg.svd(centred, full_matrices=False)
    axes = axes[:2]
    axes = axes * axes.gather(1, axes.abs().argmax(dim=1, keepdim=True)).sign()
    plane = centred @ axes.T
    return torch.nn.functional.pad(plane, (0, 2 - plane.shape[1]))


def _drawn(folder: Path) -> tuple[list[int], Tensor]:
    """Numbers of the images to draw, and their vectors."""
    good = torch.tensor([reason is None for rows in read_features(folder) for reason in rows.reasons])
    there = good.nonzero().flatten()
    if not len(there):
        raise OptionError(f"there are no features to draw in {str(folder)!r}: every image failed")
    places = torch.linspace(0, len(there) - 1, min(MOST, len(there))).round().long()
    vectors, first = [], 0
    for rows in read_features(folder):
        features = next(iter(rows.features.values()))
        vectors.append(
            features[places[(places >= first) & (places < first + len(features))] - first].flatten(1).float()
        )
        first += len(features)
    return there[places].tolist(), torch.cat(vectors)


def _thumbnail(source: Source, number: int) -> Image:
    (encoded,) = source.read(number, number + 1)
    canvas = PIL.Image.new("RGB", (THUMBNAIL, THUMBNAIL), GROUND)
    try:
        image = open_image(file_of(encoded, source.names[number])).convert("RGB")
    except ImageError:
        return canvas  # it was there when it was extracted
    image.thumbnail((THUMBNAIL - 4, THUMBNAIL - 4))
    canvas.paste(image, ((THUMBNAIL - image.width) // 2, (THUMBNAIL - image.height) // 2))
    return canvas
