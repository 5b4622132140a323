"""The files of an output: consecutive shards, each written whole or not at all, and read again.

A shard holds rows, and is all that is known of its images, so that a run that was interrupted can
go on from the shards that exist.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
from zoo_core.errors import OptionError, ZooError

from zoo_images.extraction.rows import Rows, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

FORMATS = ("parquet", "safetensors", "npy")
_UNFINISHED = ".unfinished"


class ShardFiles:
    """The shards of an output in one format, in a folder of their own."""

    def __init__(self, folder: Path, kind: str) -> None:
        """Name the folder and the format, one of `FORMATS`."""
        if kind not in FORMATS:
            raise OptionError(f"there is no format {kind!r}; there are {', '.join(FORMATS)}")
        self.folder, self.kind = folder, kind

    def path(self, number: int) -> Path:
        """The file of a shard; of the format ``npy`` its table, beside which the arrays lie."""
        suffix = {"parquet": ".parquet", "safetensors": ".safetensors", "npy": ".json"}[self.kind]
        return self.folder / f"part-{number:06d}{suffix}"

    def exists(self, number: int) -> bool:
        """Whether a shard has been written."""
        return self.path(number).exists()

    def write(self, number: int, rows: Rows) -> None:
        """Write a shard. A process that is killed meanwhile leaves no part of it that `exists`.

        Raises:
            ZooError: when the disk is full or cannot be written.
        """
        path = self.path(number)
        if self.kind == "parquet":
            with _replacing(path) as file:
                pq.write_table(rows.table(), file, compression="zstd")
            return
        head = {"paths": rows.names, "reasons": rows.reasons}
        if self.kind == "safetensors":
            from zoo_core.weights.files.safetensors import tensorfile_of

            with _replacing(path) as file:
                file.write_bytes(tensorfile_of(rows.features, {"rows": json.dumps(head)}))
            return
        for name, tensor in rows.features.items():
            with _replacing(path.with_suffix(f".{name}.npy")) as file, file.open("wb") as stream:
                np.save(stream, tensor.numpy())
        with _replacing(path) as file:
            file.write_text(json.dumps({**head, "features": list(rows.features)}), encoding="utf-8")

    def read(self, number: int) -> Rows:
        """Read a shard that exists."""
        import torch

        path = self.path(number)
        if self.kind == "parquet":
            return rows_of(pq.read_table(path))
        if self.kind == "safetensors":
            from safetensors.torch import load_file

            return Rows(*self.read_head(number), load_file(path))
        names = json.loads(path.read_text(encoding="utf-8"))["features"]
        arrays = {name: torch.from_numpy(np.load(path.with_suffix(f".{name}.npy"))) for name in names}
        return Rows(*self.read_head(number), arrays)

    def read_head(self, number: int) -> tuple[list[str], list[str | None]]:
        """Read the names and the reasons of a shard that exists, without its features."""
        path = self.path(number)
        if self.kind == "parquet":
            table = pq.read_table(path, columns=["path", "reason"])
            return table.column("path").to_pylist(), table.column("reason").to_pylist()
        if self.kind == "safetensors":
            from safetensors import safe_open

            with safe_open(path, "pt") as file:
                head = json.loads(file.metadata()["rows"])
        else:
            head = json.loads(path.read_text(encoding="utf-8"))
        return head["paths"], head["reasons"]

    def remove_unfinished(self) -> None:
        """Remove what a killed process left half written, which nobody else reads."""
        for path in self.folder.glob(f"*{_UNFINISHED}"):
            path.unlink()


def read_features(output: Path) -> Iterator[Rows]:
    """Yield the shards in an output folder, in its folder of features, or in one Parquet file.

    Raises:
        OptionError: when it is none.
    """
    if output.is_file():
        yield rows_of(pq.read_table(output))
        return
    folder = output / "features" if (output / "features").is_dir() else output
    for kind in FORMATS:
        files = ShardFiles(folder, kind)
        numbers = sorted(
            int(path.stem.removeprefix("part-")) for path in folder.glob(files.path(0).name.replace("000000", "*"))
        )
        if numbers:
            yield from (files.read(number) for number in numbers)
            return
    raise OptionError(f"there are no features in {str(output)!r}: write them with zoo extract")


def write_table(path: Path, table: pa.Table) -> None:
    """Write a Parquet file whole or not at all."""
    with _replacing(path) as file:
        pq.write_table(table, file, compression="zstd")


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with _replacing(path) as file:
        file.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise a ZooError for a disk that is full, or cannot be written."""
    try:
        yield
    except OSError as error:
        raise ZooError(
            f"cannot write {str(path)!r}: {error.strerror or error}; what was written before is whole, and the same "
            "command goes on from there"
        ) from error


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A new file beside `path` that takes its place at the end; removed when writing fails."""
    unfinished = path.with_name(path.name + _UNFINISHED)
    try:
        with writing(path):
            yield unfinished
            with unfinished.open("rb") as stream:
                os.fsync(stream.fileno())
            unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
