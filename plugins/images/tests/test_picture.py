"""The picture of feature maps: panels, pixels and captions."""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from zoo_images.picture import GAP, PANEL, Maps, draw_maps

DARK, BRIGHT = (0x44, 0x01, 0x54), (0xFD, 0xE7, 0x25)


def spot(channels: int, bright: int) -> torch.Tensor:
    """One image's map of 8 x 8. The pixel in row 2 and column 5 of one channel is the greatest."""
    values = torch.zeros(1, channels, 8, 8)
    values[0, bright, 2, 5] = 7.0
    return values


def test_one_row_per_image_one_panel_per_map() -> None:
    image = Image.new("RGB", (32, 32), "red")
    one = draw_maps("t", ["a"], [image], [Maps(values=spot(4, 0), module="layer1", reduction=4)] * 2)
    three = draw_maps(
        "t", ["a"] * 3, [image] * 3, [Maps(values=spot(4, 0).repeat(3, 1, 1, 1), module="layer1", reduction=4)] * 2
    )
    assert one.width == three.width == GAP + 3 * (PANEL + GAP)
    assert three.height > 2 * one.height - PANEL
    assert one.getpixel((GAP + PANEL // 2, one.height - GAP - PANEL // 2)) == (255, 0, 0)


def test_the_brightest_pixel_is_where_the_map_is_greatest() -> None:
    picture = draw_maps("t", ["a"], [Image.new("RGB", (8, 8))], [Maps(values=spot(1, 0), module="m", reduction=1)])
    left, top = GAP + PANEL + GAP, picture.height - GAP - PANEL
    cell = PANEL / 8

    def pixel(row: int, column: int) -> tuple[int, ...]:
        return picture.getpixel((int(left + (column + 0.5) * cell), int(top + (row + 0.5) * cell)))

    assert pixel(2, 5) == BRIGHT
    assert {pixel(row, column) for row in range(8) for column in range(8) if (row, column) != (2, 5)} == {DARK}


def test_the_channel_that_varies_is_among_those_shown() -> None:
    maps = Maps(values=spot(500, 321), module="m", reduction=4)
    picture = draw_maps("t", ["a"], [Image.new("RGB", (8, 8))], [maps])
    panel = picture.crop((GAP + PANEL + GAP, picture.height - GAP - PANEL, picture.width - GAP, picture.height - GAP))
    assert BRIGHT in {colour for _, colour in panel.getcolors(1 << 16)}


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 2, 1, 1), (2, 96, 1, 1), (1, 3, 100, 7), (1, 2048, 7, 7)])
@pytest.mark.parametrize("value", [0.0, -3.0, float("inf")])
def test_maps_of_any_shape_and_value_can_be_drawn(shape: tuple[int, ...], value: float) -> None:
    names = ["a very long name of a file that does not fit above its panel.png"] * shape[0]
    draw_maps(
        "t" * 500,
        names,
        [Image.new("L", (9, 5))] * shape[0],
        [Maps(values=torch.full(shape, value), module="m", reduction=32)],
    )
