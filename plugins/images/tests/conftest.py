"""What tests of zoo-images share: folders of pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "test_resnet.digits"


def write_photos(folder: Path, count: int, *, seed: int = 0) -> list[Path]:
    """Write coloured JPEGs of several sizes, a third of them in a folder below."""
    numbers = np.random.default_rng(seed)
    (folder / "below").mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        pixels = numbers.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        size = int(numbers.integers(40, 120)), int(numbers.integers(40, 120))
        path = folder / ("below" if number % 3 == 0 else ".") / f"{number:04d}.jpg"
        Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC).save(path)
        paths.append(path)
    return paths


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 50 photos, one of them no image."""
    folder = tmp_path_factory.mktemp("photos")
    write_photos(folder, 49)
    (folder / "letter.jpg").write_text("Dear Sir or Madam")
    return folder
