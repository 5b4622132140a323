"""Broken and odd files: none stops a run, each comes out as an image or with a reason."""

from __future__ import annotations

import os
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from zoo_images import extract

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))


def saved(path: Path, image: Image.Image = PHOTO, **options: object) -> bytes:
    image.save(path, **options)
    return path.read_bytes()


def cut(kind: str, part: float) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        data = saved(path.with_suffix(f".{kind}"))
        path.with_suffix(f".{kind}").unlink()
        path.write_bytes(data[: int(len(data) * part)])

    return write


def bomb(path: Path) -> None:
    data = saved(path.with_suffix(".png"), Image.new("1", (1, 1)))
    path.with_suffix(".png").unlink()
    header = b"IHDR" + struct.pack(">II", 60_000, 60_000) + data[24:29]
    path.write_bytes(data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:])


def flipped(path: Path) -> None:
    data = bytearray(saved(path.with_suffix(".png")))
    path.with_suffix(".png").unlink()
    data[60] ^= 255
    path.write_bytes(data)


def loop(path: Path) -> None:
    """A TIFF whose one directory points at itself, and has no image."""
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + struct.pack("<HHHII", 1, 256, 3, 1, 4) + struct.pack("<I", 8))


def link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


BROKEN: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "one byte": lambda path: path.write_bytes(b"\xff"),
    "text": lambda path: path.write_text("Dear Sir or Madam"),
    "page": lambda path: path.write_text("<!doctype html><title>404</title>"),
    "drawing": lambda path: path.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>"),
    "document": lambda path: path.write_bytes(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"),
    "archive": lambda path: path.write_bytes(b"PK\x03\x04" + bytes(30)),
    "film": lambda path: path.write_bytes(b"\0\0\0\x20ftypisom" + bytes(40)),
    "heic": lambda path: path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(40)),
    "jpeg xl": lambda path: path.write_bytes(b"\xff\x0a" + bytes(40)),
    "raw": lambda path: path.write_bytes(b"II*\0\x10\0\0\0CR\x02\0" + bytes(40)),
    "photoshop": lambda path: path.write_bytes(b"8BPS\0\x01" + bytes(40)),
    "postscript": lambda path: path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
    "pickle": lambda path: path.write_bytes(b"cos\nsystem\n(S'true'\ntR."),
    "python": lambda path: path.write_text("raise SystemExit"),
    "jpeg header": cut("jpg", 0.02),
    "half a jpeg": cut("jpg", 0.5),
    "half a png": cut("png", 0.5),
    "half a gif": cut("gif", 0.5),
    "half a webp": cut("webp", 0.5),
    "half a tiff": cut("tif", 0.5),
    "half a bmp": cut("bmp", 0.5),
    "half a jpeg 2000": cut("jp2", 0.1),
    "changed png": flipped,
    "bomb": bomb,
    "no size": lambda path: path.write_bytes(b"P6\n0 5\n255\n"),
    "no frame": lambda path: path.write_bytes(b"GIF89a\x01\0\x01\0\0\0\0\x3b"),
    "loop": loop,
    "dangling link": link("nowhere"),
    "endless link": link("endless link.jpg"),
    "pipe": os.mkfifo,
    "device": link("/dev/zero"),
    "nothing but zeros": lambda path: path.write_bytes(bytes(5000)),
}


def rotated(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    PHOTO.save(path, "jpeg", exif=exif)


ODD: dict[str, Callable[[Path], object]] = {
    "rotated": rotated,
    "progressive": lambda path: PHOTO.save(path, "jpeg", progressive=True),
    "cmyk": lambda path: PHOTO.convert("CMYK").save(path, "jpeg"),
    "grey": lambda path: PHOTO.convert("L").save(path, "jpeg"),
    "two levels": lambda path: PHOTO.convert("1").save(path, "png"),
    "palette": lambda path: PHOTO.quantize(8).save(path, "png"),
    "transparent": lambda path: PHOTO.convert("RGBA").save(path, "png"),
    "sixteen bits": lambda path: Image.new("I;16", (40, 40), 9999).save(path, "png"),
    "float": lambda path: PHOTO.convert("F").save(path, "tiff"),
    "animated": lambda path: PHOTO.save(path, "gif", save_all=True, append_images=[PHOTO.rotate(90)]),
    "animated webp": lambda path: PHOTO.save(path, "webp", save_all=True, append_images=[PHOTO.rotate(90)]),
    "one pixel": lambda path: PHOTO.crop((0, 0, 1, 1)).save(path, "png"),
    "lab": lambda path: PHOTO.convert("LAB").save(path, "tiff"),
    "another suffix": lambda path: PHOTO.save(path, "png"),
    "bytes after the end": lambda path: path.write_bytes(saved(path) + b"and a letter"),
    "broken exif": lambda path: PHOTO.save(path, "jpeg", exif=b"Exif\0\0" + bytes(range(80))),
    "line": lambda path: Image.new("RGB", (1, 60_000)).save(path, "png"),
    "comment": lambda path: PHOTO.save(path, "jpeg", comment=b"\xff" * 9000),
}


@pytest.mark.filterwarnings("ignore")  # Pillow warns of much in such files
def test_none_stops_a_run_and_each_is_reported(tmp_path: Path) -> None:
    assert len(BROKEN) + len(ODD) >= 50
    folder = tmp_path / "files"
    folder.mkdir()
    for name, write in {**BROKEN, **ODD}.items():
        write(folder / f"{name}.jpg")
    (folder / "a folder.jpg").mkdir()
    summary = extract(folder, "test_resnet.digits", tmp_path / "out", workers=1, batch_size=8)
    rows = {row["path"].removesuffix(".jpg"): row for row in pq.read_table(tmp_path / "out" / "features").to_pylist()}
    assert set(rows) == {*BROKEN, *ODD}
    assert {name for name, row in rows.items() if row["status"] == "failed"} == set(BROKEN)
    assert summary.failed == len(BROKEN)
    for name in BROKEN:
        assert rows[name]["reason"], name
        assert name in rows[name]["reason"]
        assert len(rows[name]["reason"].splitlines()) == 1
        assert str(tmp_path) not in rows[name]["reason"]
