"""Images that bite: each is read or refused in a line, and none stops an extraction."""

from __future__ import annotations

import io
import random
import resource
import shutil
import struct
import sys
import time
import warnings
import zlib
from pathlib import Path

import pyarrow.parquet as pq
import torch
from PIL import Image
from stress.files import mutated
from stress.tally import Tally
from zoo_images.extraction.decoders import DECODERS
from zoo_images.extraction.extract import extract

MODEL = "test_resnet.digits"
TOGETHER = 64
"""Images of one extraction."""
MEMORY = 2_500_000_000
"""Bytes beyond those that importing took: Pillow decodes 179 million pixels before it calls a file
a bomb, and a picture takes up to four bytes for each, more than once."""
PATIENCE_S = 120.0
RUNS = ("os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect")
KINDS = ("png", "jpeg", "gif", "bmp", "tiff", "webp", "ppm", "ico", "tga", "jpeg2000", "avif")
HEADS = [
    b"PK\x03\x04" + bytes(30),
    b"%PDF-1.7\n",
    b"<svg onload='x'/>",
    b"#!/bin/sh\nmkdir sprung\n",
    b"MZ" + bytes(60),
    b"cos\nsystem\n(S'mkdir sprung'\ntR.",
    b"%!PS-Adobe-3.0 EPSF-3.0\n",
]
"""Of files that are no images."""


def samples() -> dict[str, bytes]:
    """A small file of each format that this Pillow writes, and some of odd colours."""
    photo = Image.frombytes("RGB", (8, 6), random.Random(0).randbytes(144)).resize((60, 40))
    palette = photo.quantize(16)
    found = {}
    for kind in KINDS:
        found[kind] = _saved(photo, kind)
    found["palette png"] = _saved(palette, "png", transparency=3)
    found["palette gif"] = _saved(palette, "gif", transparency=3)
    found["palette bmp"], found["palette tiff"] = _saved(palette, "bmp"), _saved(palette, "tiff")
    found["animated gif"] = _saved(palette, "gif", save_all=True, append_images=[palette.rotate(90)] * 3)
    found["animated png"] = _saved(photo, "png", save_all=True, append_images=[photo.rotate(90)] * 3)
    found["progressive jpeg"] = _saved(photo, "jpeg", progressive=True)
    found["cmyk jpeg"] = _saved(photo.convert("CMYK"), "jpeg")
    found["tiff of deflate"] = _saved(photo, "tiff", compression="tiff_deflate")
    found["sixteen bits"] = _saved(Image.new("I;16", (40, 40), 999), "png")
    return {name: content for name, content in found.items() if content}


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    try:
        image.save(buffer, kind, **options)
    except (OSError, KeyError):  # this Pillow was built without it
        return b""
    return buffer.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG, with its checksum right."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(draw: random.Random) -> bytes:
    """A PNG whose checksums are right, and whose sizes, palette and texts are not."""
    sizes = [0, 1, 7, 60, 5000, 13_000, 60_000, 2**31 - 1, 2**32 - 1]
    width, height = draw.choice(sizes), draw.choice(sizes)
    depth, colour = draw.choice([1, 2, 4, 8, 16, 3]), draw.choice([0, 2, 3, 4, 6, 5])
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, draw.choice([0, 1]))
    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    if draw.random() < 0.7:
        out += chunk(b"PLTE", draw.randbytes(draw.choice([0, 1, 3, 30, 768, 3000])))
    if draw.random() < 0.4:
        out += chunk(b"tRNS", draw.randbytes(draw.choice([0, 1, 6, 256, 999])))
    if draw.random() < 0.4:
        name = draw.choice([b"zTXt", b"iCCP", b"iTXt", b"eXIf", b"acTL", b"fcTL", b"gAMA", b"cHRM", b"pHYs"])
        text = b"a\0\0" + zlib.compress(bytes(draw.choice([0, 100, 80_000_000])))
        out += chunk(name, text if draw.random() < 0.7 else draw.randbytes(30))
    rows = zlib.compress(draw.choice([bytes, draw.randbytes])(draw.choice([0, 10, 9000, 300_000])))
    for at in range(0, len(rows), draw.choice([1, 50, 9000]) if len(rows) < 500 else 9000):
        out += chunk(b"IDAT", rows[at : at + 9000])
    return out + (chunk(b"IEND", b"") if draw.random() < 0.8 else b"")


def polyglot(draw: random.Random, sources: dict[str, bytes]) -> bytes:
    """One file inside, before or behind another, or with the head of another."""
    first, second = draw.choice([*sources.values()]), draw.choice([*sources.values()])
    other = draw.choice([second, *HEADS])
    at = draw.randrange(len(first))
    return draw.choice([first + other, other + first, first[:at] + other + first[at:], other[:12] + first[12:]])


def directory(draw: random.Random) -> bytes:
    """A TIFF of drawn entries: sizes, strips, and directories that lead to each other."""
    order, mark = draw.choice([("<", b"II*\0"), (">", b"MM\0*")])
    count = draw.randrange(1, 14)
    tags = [256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 317, 320, 322, 323, 324, 330, 338, 339, 34665, 700]
    values = [0, 1, 2, 3, 5, 7, 8, 32, 60, 5000, 2**16 - 1, 2**31, 2**32 - 1]
    out = mark + struct.pack(f"{order}IH", 8, count)
    for _ in range(count):
        kind, number = draw.randrange(14), draw.choice(values[:8])
        out += struct.pack(f"{order}HHII", draw.choice(tags), kind, number, draw.choice(values))
    out += struct.pack(f"{order}I", draw.choice([0, 8, 10, 2**32 - 1]))
    return out + draw.randbytes(draw.choice([0, 100, 5000]))


def image(draw: random.Random, sources: dict[str, bytes]) -> bytes:
    kind = draw.random()
    if kind < 0.2:
        return png(draw)
    if kind < 0.35:
        return polyglot(draw, sources)
    if kind < 0.45:
        return directory(draw)
    return mutated(draw.choice([*sources.values()]), draw)


def run(count: int, folder: Path, seed: int = 0) -> list[Tally]:
    """Extract features of `count` images, with each decoder in turn, and watch what it does."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    draw = random.Random(seed)
    tally = Tally("An image that bites is read or refused, and stops no extraction", "images")
    sources, acted, watching = samples(), [], [False]

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if watching[0] and event in RUNS:
            acted.append(f"{event} {arguments!r:.200}")

    sys.addaudithook(watch)
    for number, start in enumerate(range(0, count, TOGETHER)):
        decoder, here = DECODERS[number % len(DECODERS)], folder / "images"
        shutil.rmtree(here, ignore_errors=True)
        shutil.rmtree(folder / "out", ignore_errors=True)
        here.mkdir()
        names = [f"{each:02d}.{draw.choice(['jpg', 'png', 'tif'])}" for each in range(min(TOGETHER, count - start))]
        for name in names:
            (here / name).write_bytes(image(draw, sources))
        watching[0], began = number > 0, time.monotonic()
        if number == 1:  # what is lazily imported is imported
            taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
        try:
            extract(here, MODEL, folder / "out", workers=0, batch_size=8, decoder=decoder)
            rows = pq.read_table(folder / "out" / "features").to_pylist()
        except BaseException as error:
            tally.add("stopped", f"{decoder}, seed {seed}, images {start}: {type(error).__name__}: {error}")
            continue
        finally:
            watching[0] = False
        problems = [f"{decoder}, seed {seed}, images {start}: {each}" for each in acted]
        acted.clear()
        if (took := time.monotonic() - began) > PATIENCE_S:
            problems.append(f"{decoder}, seed {seed}, images {start}: it takes {took:.0f} s")
        if [row["path"] for row in rows] != sorted(names):
            problems.append(f"{len(rows)} rows of {len(names)} images")
        for row in rows:
            reason = row["reason"] or ""
            bad = len(reason.splitlines()) > 1 or (row["status"] == "failed") != bool(reason) or str(folder) in reason
            tally.add("refused" if reason else "read", f"{decoder}: {row['path']}: {reason!r:.300}" if bad else "")
        tally.failures += problems
    return [tally]
