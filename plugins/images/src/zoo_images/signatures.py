"""What a file is that is no image, by its first bytes: for the reason why it failed."""

from __future__ import annotations

from pathlib import Path
from typing import IO

_HEAD = 64
_SIGNATURES = (
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\3\4", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (0, b"version https://git-lfs", "a pointer of Git LFS, not the file that it stands for"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftypmif1", "HEIC"),
    (4, b"ftypavi", "an AVIF that is damaged, or of a kind that Pillow cannot read"),
    (4, b"ftyp", "a film"),
    (8, b"AVI ", "a film"),
    (0, b"\x1aE\xdf\xa3", "a film"),
    (0, b"<!doctype html", "a web page"),
    (0, b"<html", "a web page"),
    (0, b"<svg", "an SVG drawing"),
    (0, b"<?xml", "XML"),
    (0, b"%!ps", "PostScript"),
    (0, b"\xff\xd8", "a JPEG that is damaged, or of a kind that Pillow cannot read"),
    (0, b"\x89PNG", "a PNG that is damaged"),
    (0, b"GIF8", "a GIF that is damaged"),
    (0, b"\0\0\1\0", "an icon that is damaged"),
    (0, b"II*\0", "a TIFF that is damaged, or a camera's raw file"),
    (0, b"MM\0*", "a TIFF that is damaged, or a camera's raw file"),
)
"""Where in a file, what stands there in small letters where it is text, and what that means."""


def guess(file: str | Path | IO[bytes]) -> str:
    """Say what a file seems to be; empty where nothing is known, or it cannot be read again."""
    try:
        if isinstance(file, str | Path):
            with Path(file).open("rb") as stream:
                head = stream.read(_HEAD)
        else:
            file.seek(0)
            head = file.read(_HEAD)
    except (OSError, ValueError):
        return ""
    if not head:
        return "it is empty"
    if not any(head):
        return "it begins with nothing but zeros"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for place, signature, meaning in _SIGNATURES:
        if head.startswith(signature, place) or (place == 0 and text.startswith(signature)):
            return f"it seems to be {meaning}"
    return ""
