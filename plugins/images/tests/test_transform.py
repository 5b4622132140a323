"""Image files to network input: sizes, colours, and files that are no images."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from zoo_core.config import PretrainedCfg
from zoo_core.errors import ConfigError, ImageError, OptionError
from zoo_images.transform import crop_image, load_images, normalise, open_image, transform_image

CFG = PretrainedCfg(input_size=(3, 16, 16), crop_pct=0.5, mean=(0.5, 0.5, 0.5), std=(0.25, 0.5, 1.0))


def framed(width: int, height: int) -> Image.Image:
    """A white image with a black frame one eighth of its shorter side wide."""
    image = Image.new("RGB", (width, height), "black")
    edge = min(width, height) // 8
    image.paste("white", (edge, edge, width - edge, height - edge))
    return image


def test_normalised_is_value_less_mean_over_std_per_channel() -> None:
    values = normalise(Image.new("RGB", (1, 2), (255, 0, 51)), CFG)
    assert values.dtype == torch.float32
    assert values.shape == (3, 2, 1)
    assert values[:, 0, 0].tolist() == pytest.approx([2.0, -1.0, -0.3])


@pytest.mark.parametrize("size", [(64, 64), (90, 64), (64, 90), (5, 7)])
def test_the_input_has_the_configs_size_whatever_the_images(size: tuple[int, int]) -> None:
    assert transform_image(framed(*size), CFG).shape == (3, 16, 16)


def test_the_centre_is_cut_out() -> None:
    image = crop_image(framed(64, 64), CFG)  # 64 -> 32, of which the inner 16: the frame is outside
    assert image.size == (16, 16)
    assert image.getextrema() == ((255, 255),) * 3


def test_height_comes_before_width() -> None:
    image = crop_image(framed(64, 64), dataclasses.replace(CFG, input_size=(3, 8, 24)))
    assert image.size == (24, 8)


def test_border_keeps_the_whole_image_on_a_ground_of_the_mean() -> None:
    cfg = dataclasses.replace(CFG, crop_mode="border", crop_pct=1.0, interpolation="nearest")
    image = crop_image(Image.new("RGB", (32, 16), "white"), cfg)
    assert image.getpixel((8, 0)) == (128, 128, 128)
    assert image.getpixel((0, 8)) == (255, 255, 255)


def test_squash_ignores_proportions() -> None:
    halves = Image.new("RGB", (64, 16), "black")
    halves.paste("white", (32, 0, 64, 16))
    cfg = dataclasses.replace(CFG, crop_mode="squash", crop_pct=1.0, interpolation="nearest")
    image = crop_image(halves, cfg)
    assert [image.getpixel((x, 8))[0] for x in (0, 7, 8, 15)] == [0, 0, 255, 255]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_an_image_of_any_colour_mode_is_taken(mode: str, tmp_path: Path) -> None:
    path = tmp_path / ("image.tif" if mode == "CMYK" else "image.png")
    source = (
        Image.new("I;16", (32, 32), 51 * 256) if mode == "I;16" else Image.new("RGB", (32, 32), (51,) * 3).convert(mode)
    )
    source.save(path)
    batch = load_images([path, path], CFG)
    assert batch.shape == (2, 3, 16, 16)
    if mode != "1":
        assert batch[0, 2].mean().item() == pytest.approx(0.2 - 0.5, abs=0.01)


def test_a_grey_network_gets_one_channel() -> None:
    cfg = dataclasses.replace(CFG, input_size=(1, 16, 16), mean=(0.5,), std=(0.5,))
    assert transform_image(framed(32, 32), cfg).shape == (1, 16, 16)


def test_a_network_of_other_channels_is_refused() -> None:
    with pytest.raises(OptionError, match=r"1 \(grey\) or 3 \(RGB\) channels, the network takes 4"):
        crop_image(framed(32, 32), dataclasses.replace(CFG, input_size=(4, 16, 16)))


def test_a_photo_is_turned_as_its_camera_was_held(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: rotated by 90 degrees
    Image.new("RGB", (40, 20)).save(path, exif=exif)
    assert open_image(path).size == (20, 40)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"cannot read the image '.*nothing\.png': No such file or directory"):
        open_image(tmp_path / "nothing.png")


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    path = tmp_path / "letter.png"
    path.write_text("Dear Sir or Madam")
    with pytest.raises(ImageError, match=r"letter\.png' is not an image that Pillow can read"):
        open_image(path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif"])
def test_a_file_that_ends_early_is_named(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"half.{suffix}"
    Image.effect_noise((64, 64), 100).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ImageError, match=r"half\."):
        open_image(path)


EPS = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 10 10
%%EndComments
0 0 10 10 rectfill
showpage
%%EOF
"""


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for Ghostscript is a shell script")
@pytest.mark.parametrize("name", ["image.eps", "photo.jpg"])
def test_postscript_starts_no_ghostscript(name: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    for program in ("gs", "gswin64c", "gswin32c"):
        (tmp_path / program).write_text(f"#!/bin/sh\ntouch {trace}\n")
        (tmp_path / program).chmod(0o755)
    (tmp_path / name).write_bytes(EPS)
    program = (
        "import sys; from zoo_images.transform import open_image; from zoo_core.errors import ImageError\n"
        "try:\n    open_image(sys.argv[1])\nexcept ImageError as error:\n    print(error)"
    )
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-c", program, tmp_path / name]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.stdout.endswith(f"{name}' is not an image that Pillow can read: it seems to be PostScript\n"), result
    assert not trace.exists()


def test_a_decompression_bomb_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    Image.new("1", (1, 1)).save(path)
    header = b"IHDR" + (60_000).to_bytes(4, "big") * 2 + path.read_bytes()[24:29]
    data = path.read_bytes()
    path.write_bytes(data[:12] + header + zlib.crc32(header).to_bytes(4, "big") + data[33:])
    with pytest.raises(ImageError, match=r"bomb\.png' has too many pixels"):
        open_image(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("nothing.png", b""),
        ("flat.ppm", b"P6\n0 5\n255\n"),
        ("flat.gif", b"GIF89a\x00\x00\x00\x00\x00\x00\x00\x3b"),
        ("flat.bmp", b"BM" + bytes(12) + (40).to_bytes(4, "little") + bytes(40)),
        ("folder.png", None),
    ],
)
def test_an_image_of_no_size_is_one_error(name: str, content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / name
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        open_image(path)
    assert name in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["png", "jpg", "gif", "bmp", "tif", "webp", "ppm", "ico", "tga", "jp2"]),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    st.integers(1, 2000),
)
@pytest.mark.filterwarnings("ignore")  # Pillow warns of much in a damaged file; it is refused or read
def test_a_damaged_image_is_read_or_refused(
    tmp_path: Path, suffix: str, changes: list[tuple[int, int]], length: int
) -> None:
    path = tmp_path / f"damaged.{suffix}"
    framed(16, 16).save(path)
    data = bytearray(path.read_bytes())
    for place, value in changes:
        data[place % len(data)] = value
    path.write_bytes(data[:length])
    with contextlib.suppress(ImageError):
        assert 0 not in open_image(path).size


def test_an_image_of_extreme_proportions(tmp_path: Path) -> None:
    line = Image.new("RGB", (1, 60_000))
    with pytest.raises(ImageError, match="an image of 1 x 60000 is too narrow"):
        crop_image(line, dataclasses.replace(CFG, input_size=(3, 224, 224)))
    assert crop_image(line, dataclasses.replace(CFG, crop_mode="border")).size == (16, 16)


def test_mean_and_std_must_be_of_the_images_channels() -> None:
    cfg = dataclasses.replace(CFG, input_size=(1, 16, 16))
    with pytest.raises(ConfigError, match="an image of 1 channels needs as many numbers in mean"):
        transform_image(framed(32, 32), cfg)


def test_unknown_interpolation_and_crop_mode_suggest() -> None:
    with pytest.raises(ConfigError, match=r"unknown interpolation 'bicubik'. Did you mean 'bicubic'"):
        crop_image(framed(32, 32), dataclasses.replace(CFG, interpolation="bicubik"))
    with pytest.raises(ConfigError, match=r"unknown crop_mode 'centre'. Did you mean 'center'"):
        crop_image(framed(32, 32), dataclasses.replace(CFG, crop_mode="centre"))
