"""Tell the format of a file by its first bytes: names lie, and servers answer with pages."""

from __future__ import annotations

import struct
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HEAD_BYTES = 512
"""How many first bytes tell every format."""
WEIGHT_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".tar")
_MAX_SAFETENSORS_HEADER = 100_000_000  # the format's own limit, in bytes


def head_of(path: Path) -> bytes:
    """Return the file's first bytes."""
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def is_safetensors(head: bytes) -> bool:
    """Return whether the bytes start a safetensors file: a header's length (uint64, little endian), then JSON."""
    return head[8:].lstrip(b" \t\r\n").startswith(b"{") and struct.unpack("<Q", head[:8])[0] <= _MAX_SAFETENSORS_HEADER


def is_zip(head: bytes) -> bool:
    """Return whether the bytes start a zip archive, which `torch.save` has written since 1.6."""
    return head.startswith(b"PK\x03\x04")


def is_tar(head: bytes) -> bool:
    """Return whether the bytes start a tar archive, or something compressed by gzip, which then is one."""
    return head[257:262] == b"ustar" or is_gzip(head)


def is_gzip(head: bytes) -> bool:
    """Return whether the bytes start something compressed by gzip."""
    return head.startswith(b"\x1f\x8b")


def is_pickle(head: bytes) -> bool:
    """Return whether the bytes start a pickle of protocol 2 or later, as all that torch has written are."""
    return head.startswith(b"\x80")


def not_weights(head: bytes, *, known_only: bool = False) -> str | None:
    """Return what the bytes start instead of weights, as far as that is common; None for possible weights.

    With `known_only`, bytes of no known format are none.
    """
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<?xml")):
        return "a web page, not weights (a login page, or an address that moved?)"
    if text.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the weights it stands for: run `git lfs pull` where it lies"
    if not head:
        return "empty"
    if known_only and not any(is_known(head) for is_known in (is_safetensors, is_zip, is_tar, is_pickle)):
        return f"no known format of weights; it begins {head[:12]!r}"
    return None


def incompleteness(path: Path) -> str | None:
    """Return why a file is not as long as its own format says; None where it is, or the format does not say."""
    head = head_of(path)
    if is_zip(head) and not zipfile.is_zipfile(path):
        return "its table of contents is missing at the end"
    if is_safetensors(head):
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="pt"):  # which checks the header against the size
                return None
        except SafetensorError as error:
            return str(error).splitlines()[0]
    return None
