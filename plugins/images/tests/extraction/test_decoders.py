"""Decoders: whose pixels are the reference's, and how far the others are from them."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from zoo_core.config import PretrainedCfg
from zoo_core.errors import MissingExtraError, OptionError
from zoo_images import crop_image, extract, open_image
from zoo_images.extraction.decoders import decode
from zoo_images.transform import pixels_of

if TYPE_CHECKING:
    from pathlib import Path

CFG = PretrainedCfg(input_size=(3, 32, 48), crop_pct=0.875, interpolation="bicubic")
SCENE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8))


def encoded(width: int, height: int, kind: str = "jpeg", mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    SCENE.resize((width, height), Image.Resampling.BICUBIC).convert(mode).save(file, kind, **options)
    return file.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@settings(max_examples=60, deadline=None)
@given(
    st.integers(8, 300),
    st.integers(8, 300),
    st.sampled_from(["center", "squash"]),
    st.sampled_from(["bilinear", "bicubic"]),
    st.fixed_dictionaries(
        {"subsampling": st.integers(0, 2), "quality": st.integers(40, 98), "progressive": st.booleans()},
        optional={"exif": st.integers(1, 8).map(turned)},
    ),
)
def test_simplejpeg_is_a_level_or_two_from_the_reference(
    width: int, height: int, mode: str, interpolation: str, options: dict[str, object]
) -> None:
    pytest.importorskip("simplejpeg")
    cfg = CFG.overlaid({"crop_mode": mode, "interpolation": interpolation})
    data = encoded(width, height, **options)
    apart = (decode(data, "x", cfg).int() - decode(data, "x", cfg, "simplejpeg").int()).abs()
    assert apart.max() <= 2
    assert apart.float().mean() < 0.3


@pytest.mark.parametrize(
    ("data", "changes"),
    [
        (encoded(90, 60, "png"), {}),
        (encoded(90, 60, mode="L"), {}),
        (encoded(90, 60, mode="CMYK"), {}),
        (encoded(20, 60), {}),
        (encoded(90, 60), {"interpolation": "lanczos"}),
        (encoded(90, 60), {"crop_mode": "border"}),
        (encoded(90, 60), {"input_size": (1, 32, 32), "mean": (0.5,), "std": (0.5,)}),
    ],
)
def test_pillow_does_what_simplejpeg_does_not(data: bytes, changes: dict[str, object]) -> None:
    pytest.importorskip("simplejpeg")
    cfg = CFG.overlaid(changes)
    assert torch.equal(decode(data, "x", cfg, "simplejpeg"), decode(data, "x", cfg))


@pytest.mark.parametrize("orientation", [1, 6])
def test_drafts_of_large_photos_are_near_the_reference(orientation: int) -> None:
    data = encoded(900, 700, exif=turned(orientation))
    drafted, whole = decode(data, "x", CFG, "draft").int(), decode(data, "x", CFG).int()
    assert not torch.equal(drafted, whole)
    assert (drafted - whole).abs().float().mean() < 1
    small = encoded(90, 70)
    assert torch.equal(decode(small, "x", CFG, "draft"), decode(small, "x", CFG))


def test_the_reference_is_the_transform(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(300, 200, exif=turned(8)))
    assert torch.equal(decode(path, "photo.jpg", CFG), pixels_of(crop_image(open_image(path), CFG)))


@pytest.mark.parametrize("decoder", ["simplejpeg", "draft"])
def test_a_run_says_how_far_its_pixels_are(photos: Path, tmp_path: Path, decoder: str) -> None:
    if decoder == "simplejpeg":
        pytest.importorskip("simplejpeg")
    pixels = extract(photos, "test_resnet.digits", tmp_path, decoder=decoder).decoder["pixels"]
    assert pixels["compared"] >= 7
    assert pixels["largest_difference"] in ((1, 2) if decoder == "simplejpeg" else (0,))  # too small for drafts
    assert json.loads((tmp_path / "run.json").read_text())["fingerprint"]["decoder"]["pixels"] == pixels
    with pytest.raises(OptionError, match="decoder was"):
        extract(photos, "test_resnet.digits", tmp_path)


def test_decoders_that_are_not_there(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError, match=r"no decoder 'pilow'. Did you mean 'pillow'\?; there are pillow, simplejpeg"):
        extract(photos, "test_resnet.digits", tmp_path / "out", decoder="pilow")
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'zoo-images\[simplejpeg\]'"):
        extract(photos, "test_resnet.digits", tmp_path / "out", decoder="simplejpeg")
    assert not (tmp_path / "out").exists()
