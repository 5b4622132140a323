"""Encoded images in the rows of Parquet or Arrow files, as datasets are published."""

from __future__ import annotations

import bisect
import hashlib
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from zoo_core.errors import OptionError, did_you_mean

from zoo_images.extraction.sources.base import Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class TableSource(Source):
    """Rows of files, with a column of bytes, or of structs that have ``bytes``."""

    def __init__(self, files: Sequence[Path], column: str | None = None) -> None:
        self.files = files
        try:
            self.column = _image_column(_schema_of(files[0]), column, files[0])
            rows = [_count_rows(file) for file in files]
        except (pa.ArrowException, OSError) as error:
            raise OptionError(f"cannot read the table: {error}") from error
        self._ends = list(accumulate(rows))
        self.names = [f"{file.name}#{row}" for file, count in zip(files, rows, strict=True) for row in range(count)]
        self.sizes = [-1] * len(self.names)
        self.require_images(", ".join(str(file) for file in files[:3]))

    def fingerprint(self) -> str:
        """Return a hash of all names and of the files' sizes. Rows do not tell their own size."""
        sizes = " ".join(str(file.stat().st_size) for file in self.files)
        return hashlib.sha256(f"{super().fingerprint()} {sizes}".encode()).hexdigest()

    def read(self, start: int, stop: int) -> Iterator[bytes | OSError]:
        """Yield the bytes of rows, which may lie in several files."""
        while start < stop:
            number = bisect.bisect_right(self._ends, start)
            first = self._ends[number - 1] if number else 0
            last = min(stop, self._ends[number])
            for value in _rows(self.files[number], self.column, start - first, last - first):
                data = value.get("bytes") if isinstance(value, dict) else value
                yield data or OSError("the row holds no bytes of an image")
            start = last


def _schema_of(file: Path) -> pa.Schema:
    if file.suffix.lower() == ".parquet":
        return pq.read_schema(file)
    return _arrow_table(str(file)).schema


def _count_rows(file: Path) -> int:
    if file.suffix.lower() == ".parquet":
        return int(pq.read_metadata(file).num_rows)
    return int(_arrow_table(str(file)).num_rows)


def _image_column(schema: pa.Schema, wanted: str | None, file: Path) -> str:
    fitting = [field.name for field in schema if _holds_images(field.type)]
    if wanted is not None:
        if wanted in fitting:
            return wanted
        hint = did_you_mean(wanted, fitting)
        raise OptionError(f"{str(file)!r} has no column {wanted!r} of encoded images{hint}")
    if len(fitting) != 1:
        there_are = f"it has {', '.join(fitting)}: choose one with --column" if fitting else "it has none"
        raise OptionError(f"{str(file)!r} needs one column of encoded images; {there_are}")
    return fitting[0]


def _holds_images(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(field.name == "bytes" and _holds_images(field.type) for field in kind)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _rows(file: Path, column: str, start: int, stop: int) -> list[Any]:
    if file.suffix.lower() != ".parquet":
        return _arrow_table(str(file)).column(column).slice(start, stop - start).to_pylist()
    values: list[Any] = []
    parquet, first = _parquet(str(file)), 0
    for group in range(parquet.num_row_groups):
        count = parquet.metadata.row_group(group).num_rows
        low, high = max(start - first, 0), min(stop - first, count)
        if low < high:
            values += _group(str(file), group, column).slice(low, high - low).to_pylist()
        first += count
    return values


# A process reads one place of a file after another: what is next is mostly where it has just been.
@lru_cache(maxsize=8)
def _parquet(file: str) -> pq.ParquetFile:
    return pq.ParquetFile(file)


@lru_cache(maxsize=2)
def _group(file: str, group: int, column: str) -> pa.ChunkedArray:
    return _parquet(file).read_row_group(group, columns=[column]).column(column)


@lru_cache(maxsize=8)
def _arrow_table(file: str) -> pa.Table:
    """Map a file of Arrow's file format, or of its stream format, which ``datasets`` writes."""
    memory = pa.memory_map(file)
    try:
        return pa.ipc.open_file(memory).read_all()
    except pa.ArrowInvalid:
        memory.seek(0)
        return pa.ipc.open_stream(memory).read_all()
