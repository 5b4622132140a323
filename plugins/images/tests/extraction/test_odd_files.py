"""Broken and odd files: none stops a run, each comes out as an image or with a reason."""

from __future__ import annotations

import os
import socket
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from zoo_images import extract
from zoo_images.transform import open_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8))
PHOTO = NOISE.resize((60, 40), Image.Resampling.BICUBIC)


def saved(path: Path, kind: str, image: Image.Image = PHOTO, **options: object) -> bytes:
    image.save(path, kind, **options)
    return path.read_bytes()


def cut(kind: str, part: float) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        data = saved(path, kind)
        path.write_bytes(data[: int(len(data) * part)])

    return write


def bomb(path: Path) -> None:
    data = saved(path, "png", Image.new("1", (1, 1)))
    header = b"IHDR" + struct.pack(">II", 60_000, 60_000) + data[24:29]
    path.write_bytes(data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:])


def flipped(path: Path) -> None:
    data = bytearray(saved(path, "png"))
    data[60] ^= 255
    path.write_bytes(data)


def twelve_bits(path: Path) -> None:
    data = saved(path, "jpeg")
    frame = data.index(b"\xff\xc0") + 4
    path.write_bytes(data[:frame] + b"\x0c" + data[frame + 1 :])


def loop(path: Path) -> None:
    """A TIFF whose one directory points at itself, and has no image."""
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + struct.pack("<HHHII", 1, 256, 3, 1, 4) + struct.pack("<I", 8))


def link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def plugged(path: Path) -> None:
    """A socket; its address may not be as long as the path of a test."""
    here = os.open(".", os.O_RDONLY)
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(here)
        os.close(here)


def of(content: bytes) -> Callable[[Path], int]:
    return lambda path: path.write_bytes(content)


NO_IMAGE = "is not an image that Pillow can read"
BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (of(b""), f"{NO_IMAGE}: it is empty"),
    "one byte": (of(b"\xff"), NO_IMAGE),
    "zeros": (of(bytes(5000)), f"{NO_IMAGE}: it begins with nothing but zeros"),
    "text": (of(b"Dear Sir or Madam"), NO_IMAGE),
    "page": (of(b"\n<!DOCTYPE html><title>404</title>"), f"{NO_IMAGE}: it seems to be a web page"),
    "drawing": (of(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "it seems to be an SVG drawing"),
    "document": (of(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), "it seems to be a PDF document"),
    "archive": (of(b"PK\x03\x04" + bytes(30)), "it seems to be a ZIP archive"),
    "pointer": (of(b"version https://git-lfs.github.com/spec/v1\n"), "it seems to be a pointer of Git LFS"),
    "film": (of(b"\0\0\0\x20ftypisom" + bytes(40)), "it seems to be a film"),
    "heic": (of(b"\0\0\0\x18ftypheic" + bytes(40)), "it seems to be HEIC"),
    "jpeg xl": (of(b"\xff\x0a" + bytes(40)), "it seems to be JPEG XL"),
    "photoshop": (of(b"8BPS\0\x01" + bytes(40)), "it seems to be a Photoshop document"),
    "postscript": (of(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), "it seems to be PostScript"),
    "raw": (of(b"II*\0\x10\0\0\0CR\x02\0" + bytes(40)), "or a camera's raw file"),
    "pickle": (of(b"cos\nsystem\n(S'true'\ntR."), NO_IMAGE),
    "python": (of(b"raise SystemExit"), NO_IMAGE),
    "riff": (of(b"RIFF\x20\0\0\0WEBPVP8 "), "could not create decoder object"),
    "markers": (of(b"\xff\xd8\xff\xd9"), "it seems to be a JPEG that is damaged"),
    "jpeg header": (cut("jpeg", 0.02), "it seems to be a JPEG that is damaged"),
    "half a jpeg": (cut("jpeg", 0.8), "image file is truncated"),
    "half a png": (cut("png", 0.5), "image file is truncated"),
    "half a gif": (cut("gif", 0.5), "image file is truncated"),
    "half a webp": (cut("webp", 0.5), "could not create decoder object"),
    "half a tiff": (cut("tiff", 0.5), "image file is truncated"),
    "half a bmp": (cut("bmp", 0.5), "image file is truncated"),
    "half a ppm": (cut("ppm", 0.5), "image file is truncated"),
    "half a jpeg 2000": (cut("jpeg2000", 0.1), "broken data stream when reading image file"),
    "half an icon": (cut("ico", 0.5), "it seems to be an icon that is damaged"),
    "half an avif": (cut("avif", 0.5), "it seems to be an AVIF that is damaged"),
    "changed png": (flipped, "broken data stream when reading image file"),
    "twelve bits": (twelve_bits, "it seems to be a JPEG that is damaged, or of a kind that Pillow cannot read"),
    "bomb": (bomb, "has too many pixels, as a decompression bomb has"),
    "no size": (of(b"P6\n0 5\n255\n"), NO_IMAGE),
    "no frame": (of(b"GIF89a\x01\0\x01\0\0\0\0\x3b"), "it seems to be a GIF that is damaged"),
    "loop": (loop, "it seems to be a TIFF that is damaged"),
    "dangling link": (link("nowhere"), "No such file or directory"),
    "endless link": (link("endless link.jpg"), "Too many levels of symbolic links"),
    "pipe": (os.mkfifo, "it is no file"),
    "socket": (plugged, "it is no file"),
    "device": (link("/dev/zero"), "it is no file"),
}


def rotated(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the top of the scene is at the right of the pixels
    PHOTO.save(path, "jpeg", exif=exif)


def half_transparent() -> Image.Image:
    image = PHOTO.convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(PHOTO.size).point(lambda level: 255 * (level > 127)))
    return image


def on_white(image: Image.Image) -> Image.Image:
    page = Image.new("RGB", image.size, "white")
    page.paste(image, mask=image.getchannel("A"))
    return page


TURNED, STRIPE = PHOTO.rotate(90), Image.new("RGB", (1, 60_000), "red")
GREY = PHOTO.convert("L").convert("RGB")
ODD: dict[str, tuple[Callable[[Path], object], Image.Image]] = {
    "rotated": (rotated, PHOTO.rotate(-90, expand=True)),
    "progressive": (lambda path: PHOTO.save(path, "jpeg", progressive=True), PHOTO),
    "cmyk": (lambda path: PHOTO.convert("CMYK").save(path, "jpeg"), PHOTO),
    "grey": (lambda path: PHOTO.convert("L").save(path, "jpeg"), GREY),
    "two levels": (lambda path: PHOTO.convert("1").save(path, "png"), PHOTO.convert("1").convert("RGB")),
    "palette": (lambda path: PHOTO.quantize(64).save(path, "png"), PHOTO.quantize(64).convert("RGB")),
    "transparent": (lambda path: half_transparent().save(path, "png"), on_white(half_transparent())),
    "grey and transparent": (
        lambda path: half_transparent().convert("LA").save(path, "png"),
        on_white(half_transparent().convert("LA").convert("RGBA")),
    ),
    "transparent gif": (lambda path: half_transparent().save(path, "gif"), on_white(half_transparent())),
    "sixteen bits": (
        lambda path: Image.new("I;16", (40, 40), 51 * 257).save(path, "png"),
        Image.new("RGB", (40, 40), (51,) * 3),
    ),
    "float": (lambda path: PHOTO.convert("F").save(path, "tiff"), GREY),
    "animated": (lambda path: PHOTO.save(path, "gif", save_all=True, append_images=[TURNED]), PHOTO),
    "animated webp": (lambda path: PHOTO.save(path, "webp", save_all=True, append_images=[TURNED], quality=95), PHOTO),
    "animated png": (lambda path: PHOTO.save(path, "png", save_all=True, append_images=[TURNED]), PHOTO),
    "several pages": (lambda path: PHOTO.save(path, "tiff", save_all=True, append_images=[TURNED]), PHOTO),
    "one pixel": (lambda path: PHOTO.crop((0, 0, 1, 1)).save(path, "png"), PHOTO.crop((0, 0, 1, 1))),
    "another suffix": (lambda path: PHOTO.save(path, "png"), PHOTO),
    "bytes after the end": (lambda path: path.write_bytes(saved(path, "jpeg") + b"and a letter"), PHOTO),
    "broken exif": (lambda path: PHOTO.save(path, "jpeg", exif=b"Exif\0\0" + bytes(range(80))), PHOTO),
    "line": (lambda path: STRIPE.save(path, "png"), STRIPE),
    "comment": (lambda path: PHOTO.save(path, "jpeg", comment=b"\xff" * 9000), PHOTO),
}


@pytest.mark.filterwarnings("ignore")  # Pillow warns of much in such files
@pytest.mark.parametrize("name", ODD)
def test_odd_files_look_as_a_person_expects(tmp_path: Path, name: str) -> None:
    write, expected = ODD[name]
    write(tmp_path / "file.jpg")
    image = open_image(tmp_path / "file.jpg")
    if name not in ("sixteen bits", "float"):  # `crop_image` scales these to eight bits
        image = image.convert("RGB")
        assert image.size == expected.size
        assert np.abs(np.asarray(image, dtype=int) - np.asarray(expected)).mean() < 8


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("decoder", ["pillow", "simplejpeg", "draft"])
def test_none_stops_a_run_and_each_is_reported(tmp_path: Path, decoder: str) -> None:
    if decoder == "simplejpeg":
        pytest.importorskip("simplejpeg")
    assert len(BROKEN) >= 40
    folder = tmp_path / "files"
    folder.mkdir()
    for name, (write, _) in {**BROKEN, **ODD}.items():
        write(folder / f"{name}.jpg")
    (folder / "a folder.jpg").mkdir()
    summary = extract(folder, "test_resnet.digits", tmp_path / "out", workers=1, batch_size=8, decoder=decoder)
    rows = {row["path"].removesuffix(".jpg"): row for row in pq.read_table(tmp_path / "out" / "features").to_pylist()}
    assert set(rows) == {*BROKEN, *ODD}
    assert {name for name, row in rows.items() if row["status"] == "failed"} == set(BROKEN)
    assert summary.failed == len(BROKEN)
    for name, (_, reason) in BROKEN.items():
        assert reason in rows[name]["reason"], name
        assert f"'{name}.jpg'" in rows[name]["reason"]
        assert len(rows[name]["reason"].splitlines()) == 1
        assert str(tmp_path) not in rows[name]["reason"]
