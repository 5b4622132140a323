"""A picture of feature maps: each input image beside the maps that the network makes of it."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

PANEL = 240
"""Side of a panel, in pixels."""
GAP = 16
LINE = 18
"""Height of a line of text, in pixels."""
INK, PALE, GROUND = (24, 24, 32), (96, 96, 110), (255, 255, 255)
# Viridis in nine steps (matplotlib, CC0): perceptually even, and readable to the colour-blind.
_COLOURS = ["440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Maps:
    """One feature map of a batch, and the facts for its caption."""

    values: Tensor
    """(images, channels, height, width)."""
    module: str
    reduction: int


def draw_maps(title: str, names: Sequence[str], inputs: Sequence[Image.Image], maps: Sequence[Maps]) -> Image.Image:
    """Draw one row per image: the input as the network sees it, then one panel per feature map.

    A panel shows the channels that vary most over the images, in channel order, so that a position
    in the panel is the same channel in every row. Colours go from the panel's least value (dark) to
    its greatest (bright).
    """
    top = GAP + 2 * LINE + GAP
    row = 3 * LINE + 4 + PANEL + GAP
    width = GAP + (1 + len(maps)) * (PANEL + GAP)
    picture = Image.new("RGB", (width, top + len(inputs) * row), GROUND)
    draw = ImageDraw.Draw(picture)
    write_line(draw, (GAP, GAP), title, INK, LINE - 1, room=width - 2 * GAP)
    _draw_scale(picture, draw, (GAP, GAP + LINE + 8))
    shown = [_most_varied(each.values) for each in maps]
    for number, (name, image) in enumerate(zip(names, inputs, strict=True)):
        y = top + number * row
        caption = [name, f"input {image.height} x {image.width}", ""]
        _draw_panel(picture, draw, (GAP, y), _fitted(image.convert("RGB"), PANEL), caption)
        for column, (each, channels) in enumerate(zip(maps, shown, strict=True), start=1):
            panel, caption = _map_panel(each, number, channels)
            _draw_panel(picture, draw, (GAP + column * (PANEL + GAP), y), panel, caption)
    return picture


def _most_varied(values: Tensor) -> Tensor:
    """Return the indices of the channels to show: more of a small map than of a large one."""
    channels, height, width = values.shape[1:]
    side = min(math.isqrt(channels), 8, max(3, 28 // max(height, width)))
    per_channel = values.detach().float().cpu().transpose(0, 1).flatten(1)
    # A channel of one value has no spread; then the largest values are the ones to see.
    interest = per_channel.std(dim=1, correction=0) if per_channel.shape[1] > 1 else per_channel[:, 0]
    return interest.argsort(descending=True, stable=True)[: side * side].sort().values


def _map_panel(maps: Maps, number: int, channels: Tensor) -> tuple[Image.Image, list[str]]:
    """Return the mosaic of some channels of one image's map, and its caption."""
    values = maps.values[number].detach().float().cpu()
    chosen = values[channels]
    low, high = chosen.min(), chosen.max()
    levels = ((chosen - low) / (high - low).clamp_min(1e-12) * 255).round().byte()
    caption = [
        maps.module,
        f"{values.shape[0]} channels, {values.shape[1]} x {values.shape[2]}",
        f"1/{maps.reduction} of the input; {len(channels)} channels shown",
    ]
    return _mosaic([_coloured(level.tolist()) for level in levels], math.isqrt(len(channels))), caption


def _coloured(levels: list[list[int]]) -> Image.Image:
    """Return rows of levels 0..255 as an image in the colours of the scale."""
    image = Image.new("P", (len(levels[0]), len(levels)))
    image.putdata([level for row in levels for level in row])
    image.putpalette(_palette())
    return image.convert("RGB")


def _mosaic(tiles: list[Image.Image], side: int) -> Image.Image:
    """Arrange tiles in `side` columns and rows on one panel."""
    gap = 2
    cell = (PANEL - (side - 1) * gap) // side
    panel = Image.new("RGB", (PANEL, PANEL), GROUND)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, side)
        panel.paste(_fitted(tile, cell), (column * (cell + gap), row * (cell + gap)))
    return panel


def _fitted(image: Image.Image, side: int) -> Image.Image:
    """Resize an image to fit a square. Enlarged pixels stay square, so that they can be counted."""
    scale = side / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS)


def _draw_panel(
    picture: Image.Image, draw: ImageDraw.ImageDraw, at: tuple[int, int], panel: Image.Image, caption: Sequence[str]
) -> None:
    x, y = at
    for number, line in enumerate(caption):
        write_line(draw, (x, y + number * LINE), line, PALE if number else INK, LINE - 5, room=PANEL)
    picture.paste(panel, (x, y + len(caption) * LINE + 4))


def _draw_scale(picture: Image.Image, draw: ImageDraw.ImageDraw, at: tuple[int, int]) -> None:
    """Draw the colour scale, and its meaning as far as the picture is wide."""
    length = 96
    picture.paste(_coloured([list(range(256))]).resize((length, LINE - 6)), at)
    note = "least to greatest value in a panel, which shows the channels that vary most"
    left = at[0] + length + 8
    write_line(draw, (left, at[1] - 2), note, PALE, LINE - 5, room=picture.width - left - GAP)


def write_line(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, colour: tuple[int, int, int], size: int, *, room: int
) -> None:
    """Write one line, cut to `room` pixels."""
    font = ImageFont.load_default(size)
    while text and draw.textlength(text, font) > room:
        text = text[:-2] + "…" if len(text) > 1 else ""
    draw.text(at, text, fill=colour, font=font)


def _palette() -> list[int]:
    """Return the 256 colours of the scale, red, green and blue in turn."""
    steps = [tuple(bytes.fromhex(colour)) for colour in _COLOURS]
    palette = []
    for level in range(256):
        step, part = divmod(level * (len(steps) - 1) / 255, 1)
        low, high = steps[int(step)], steps[min(int(step) + 1, len(steps) - 1)]
        palette += [round(a + (b - a) * part) for a, b in zip(low, high, strict=True)]
    return palette
