"""Tell what a file is from its first bytes: names lie, and servers answer with pages."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_HEAD_BYTES = 512
_MAX_SAFETENSORS_HEADER = 100_000_000  # the format's own limit, in bytes


def head_of(path: Path) -> bytes:
    """The file's first bytes."""
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)


def is_safetensors(head: bytes) -> bool:
    """Whether the bytes start a safetensors file: a header's length (uint64, little endian), then JSON."""
    return head[8:].lstrip(b" \t\r\n").startswith(b"{") and struct.unpack("<Q", head[:8])[0] <= _MAX_SAFETENSORS_HEADER


def is_zip(head: bytes) -> bool:
    """Whether the bytes start a zip archive, which `torch.save` has written since 1.6."""
    return head.startswith(b"PK\x03\x04")


def is_tar(head: bytes) -> bool:
    """Whether the bytes start a tar archive, or something compressed by gzip, which then is one."""
    return head[257:262] == b"ustar" or is_gzip(head)


def is_gzip(head: bytes) -> bool:
    """Whether the bytes start something compressed by gzip."""
    return head.startswith(b"\x1f\x8b")


def is_pickle(head: bytes) -> bool:
    """Whether the bytes start a pickle of protocol 2 or later, as all that torch has written are."""
    return head.startswith(b"\x80")


def not_weights(head: bytes) -> str | None:
    """What the bytes are instead of weights, as far as that is common; None when they may be weights."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<?xml")):
        return "a web page, not weights (a login page, or an address that moved?)"
    if text.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the weights it stands for: run `git lfs pull` where it lies"
    return None if head else "empty"
