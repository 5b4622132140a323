"""Tell the format of a file by its first bytes: names lie, and servers answer with pages."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HEAD_BYTES = 512
"""How many first bytes tell every format."""
WEIGHT_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".tar")
_LONGEST_HEADER = 100_000_000  # bytes of safetensors' JSON; the format's own limit


def head_of(path: Path) -> bytes:
    """Return the file's first bytes."""
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def format_of(head: bytes) -> str | None:
    """Return ``safetensors``, ``zip``, ``tar``, ``gzip``, ``pickle`` or None by the first bytes."""
    # A header's length (uint64, little endian), then JSON.
    if head[8:].lstrip(b" \t\r\n").startswith(b"{") and int.from_bytes(head[:8], "little") <= _LONGEST_HEADER:
        return "safetensors"
    if head[257:262] == b"ustar":
        return "tar"
    # `torch.save` has written zips since 1.6, before that pickles of protocol 2.
    starts = {"zip": b"PK\x03\x04", "gzip": b"\x1f\x8b", "pickle": b"\x80"}
    return next((name for name, start in starts.items() if head.startswith(start)), None)


def not_weights(head: bytes, *, known_only: bool = False) -> str | None:
    """Return what common kind of file, other than weights, the bytes start; None for any other.

    With `known_only`, bytes of no known format are none.
    """
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<?xml")):
        return "a web page, not weights (a login page, or an address that moved?)"
    if text.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the weights it stands for: run `git lfs pull` where it lies"
    if not head:
        return "empty"
    if known_only and format_of(head) is None:
        return f"no known format of weights; it begins {head[:12]!r}"
    return None


def incompleteness(path: Path) -> str | None:
    """Return why a file is not as long as its format says; None where that cannot be told."""
    head = head_of(path)
    if format_of(head) == "zip" and not zipfile.is_zipfile(path):
        return "its table of contents is missing at the end"
    if format_of(head) == "safetensors":
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="pt"):  # which checks the header against the size
                return None
        except SafetensorError as error:
            return str(error).splitlines()[0]
    return None
