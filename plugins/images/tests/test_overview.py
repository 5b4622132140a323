"""The picture of an output: every image that has features, in the order of the output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PIL import Image
from zoo_core.errors import OptionError
from zoo_images import extract
from zoo_images.overview import THUMBNAIL, draw_overview
from zoo_images.picture import GAP, LINE

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "test_resnet.digits"


def test_the_sheet_shows_the_images_in_order_without_those_that_failed(tmp_path: Path) -> None:
    folder = tmp_path / "colours"
    folder.mkdir()
    colours = [(20 * number, 255 - 20 * number, 90) for number in range(11)]
    for number, colour in enumerate(colours):
        Image.new("RGB", (40, 40), colour).save(folder / f"{number:02d}.png")
    (folder / "05.png").write_text("no image")
    extract(folder, MODEL, tmp_path / "out", batch_size=4, shard_size=4, workers=0)
    sheet = draw_overview(tmp_path / "out")
    left, top = GAP + THUMBNAIL // 2, 2 * GAP + LINE + THUMBNAIL // 2
    shown = [sheet.getpixel((left, top + row * THUMBNAIL)) for row in range(10)]
    assert shown == [colour for number, colour in enumerate(colours) if number != 5]


def test_nothing_but_failures_is_no_picture(tmp_path: Path) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / "letter.png").write_text("Dear Sir or Madam")
    extract(folder, MODEL, tmp_path / "out", workers=0)
    with pytest.raises(OptionError, match="every image failed"):
        draw_overview(tmp_path / "out")
