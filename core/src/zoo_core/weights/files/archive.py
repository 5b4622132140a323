"""The one file of weights inside a zip or tar archive."""

from __future__ import annotations

import gzip
import os
import tarfile
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import IO

from zoo_core.errors import WeightsError
from zoo_core.weights.files import detect
from zoo_core.weights.files.rehearsal import TooMuch, limit_of
from zoo_core.weights.files.torch_file import whole_records


class Torch01File(Exception):  # noqa: N818 - a kind of file, no fault of the program
    """The tar archive is a file of weights itself, of torch 0.1."""


def file_in_zip(file: IO[bytes], path: Path) -> bytes | None:
    """Return the one file of weights in a zip; None for a zip that `torch.save` wrote.

    Raises:
        WeightsError: when there is none, or several; `path` is for the message.
        TooMuch: when its files are far larger than the archive.
        Exception: of any other kind, when it is damaged.
    """
    with zipfile.ZipFile(file) as archive:
        names = [record.filename for record in whole_records(archive)]
        if any(name.endswith("data.pkl") for name in names):
            return None
        return archive.read(_only_weights(names, path))


def file_in_tar(file: IO[bytes], path: Path) -> bytes:
    """Return the one file of weights in a tar archive, which may be compressed by gzip.

    Raises:
        Torch01File: for an archive that torch 0.1 wrote.
        Exception: as `file_in_zip` does.
    """
    limit = limit_of(file.seek(0, os.SEEK_END))
    file.seek(0)
    with tempfile.TemporaryFile() as unpacked:
        if detect.format_of(file.read(detect.HEAD_BYTES)) == "gzip":
            file.seek(0)
            with gzip.open(file) as compressed:
                while chunk := compressed.read(1 << 20):
                    if unpacked.tell() + len(chunk) > limit:
                        raise TooMuch
                    unpacked.write(chunk)
            file = unpacked
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:") as archive:
            names = archive.getnames()
            if {"pickle", "storages", "tensors"} <= set(names):
                raise Torch01File
            member = archive.getmember(_only_weights(names, path))
            if member.size > limit:  # it has holes
                raise TooMuch
            content = archive.extractfile(member)
            return content.read() if content else b""


def _only_weights(names: list[str], path: Path) -> str:
    weights = [name for name in names if PurePosixPath(name).suffix in detect.WEIGHT_SUFFIXES]
    if len(weights) != 1:
        found = ", ".join(weights) or "none"
        raise WeightsError(f"{path} is an archive that should hold one file of weights; found: {found}")
    return weights[0]
