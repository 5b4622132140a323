"""The image transform against timm's and torchvision's, bit for bit."""

from __future__ import annotations

import pytest
import torch
from zoo_core.config import PretrainedCfg
from zoo_images.transform import transform_image

Image = pytest.importorskip("PIL.Image")
pytestmark = pytest.mark.peers

SIZES = [(640, 427), (427, 640), (299, 301), (33, 50), (8, 8), (2, 70)]


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    datasets = pytest.importorskip("sklearn.datasets")
    return Image.fromarray(datasets.load_sample_image("flower.jpg"))


@pytest.mark.parametrize("crop_mode", ["center", "squash", "border"])
@pytest.mark.parametrize("input_size", [(3, 224, 224), (3, 299, 299), (3, 32, 32), (3, 96, 160)])
def test_equals_timms_evaluation_transform(photo, crop_mode: str, input_size: tuple[int, int, int]) -> None:
    from timm.data import create_transform

    for size in SIZES:
        for crop_pct in (0.875, 0.95, 1.0):
            for interpolation in ("bicubic", "bilinear"):
                cfg = PretrainedCfg(
                    input_size=input_size, crop_pct=crop_pct, interpolation=interpolation, crop_mode=crop_mode
                )
                expected = create_transform(
                    input_size,
                    interpolation=interpolation,
                    mean=cfg.mean,
                    std=cfg.std,
                    crop_pct=crop_pct,
                    crop_mode=crop_mode,
                )
                image = photo.resize(size)
                assert torch.equal(transform_image(image, cfg), expected(image)), (size, crop_pct, interpolation)


def test_equals_torchvisions_classification_preset(photo) -> None:
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms._presets import ImageClassification

    expected = ImageClassification(crop_size=224, resize_size=256, interpolation=InterpolationMode.BILINEAR)
    cfg = PretrainedCfg(interpolation="bilinear", crop_pct=0.875)
    for size in SIZES:
        image = photo.resize(size)
        assert torch.equal(transform_image(image, cfg), expected(image)), size
