"""The files of an output: consecutive shards, each written whole or not at all, and read again.

A shard holds a row for each image: its name, its status, the reason of a failure, and its features,
null where it failed. It is all that is known of its images, so that a run that was interrupted can
go on from the shards that exist.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from zoo_core.errors import OptionError, ZooError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

FORMATS = ("parquet", "safetensors", "npy")
_UNFINISHED = ".unfinished"


class Shard:
    """The rows of one shard.

    Attributes:
        names: the images.
        reasons: why each failed; None where it did not.
        features: by name, (images that did not fail, ...).
    """

    def __init__(self, names: Sequence[str], reasons: Sequence[str | None], features: Mapping[str, Tensor]) -> None:
        self.names, self.reasons, self.features = list(names), list(reasons), dict(features)

    def table(self) -> pa.Table:
        """Return a table of ``path``, ``status``, ``reason``, and a list for each feature."""
        good = np.array([reason is None for reason in self.reasons])
        columns: dict[str, pa.Array] = {
            "path": pa.array(self.names, pa.string()),
            "status": pa.array(["ok" if each else "failed" for each in good], pa.string()),
            "reason": pa.array(self.reasons, pa.string()),
        }
        shapes = {}
        for name, tensor in self.features.items():
            values = tensor.flatten(1).numpy()
            rows = np.zeros((len(good), values.shape[1]), values.dtype)
            rows[good] = values
            lists = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), values.shape[1], mask=pa.array(~good))
            columns[name] = lists
            shapes[name] = list(tensor.shape[1:])
        return pa.table(columns).replace_schema_metadata({"shapes": json.dumps(shapes)})


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

    def write(self, number: int, shard: Shard) -> None:
        """Write a shard. A process that is killed meanwhile leaves no part of it that `exists`.

        Raises:
            ZooError: when the disk is full or cannot be written.
        """
        path = self.path(number)
        if self.kind == "parquet":
            with _replacing(path) as file:
                pq.write_table(shard.table(), file, compression="zstd")
            return
        head = {"paths": shard.names, "reasons": shard.reasons}
        if self.kind == "safetensors":
            from zoo_core.weights.files.safetensors import tensorfile_of

            with _replacing(path) as file:
                file.write_bytes(tensorfile_of(shard.features, {"rows": json.dumps(head)}))
            return
        for name, tensor in shard.features.items():
            with _replacing(path.with_suffix(f".{name}.npy")) as file, file.open("wb") as stream:
                np.save(stream, tensor.numpy())
        with _replacing(path) as file:
            file.write_text(json.dumps({**head, "features": list(shard.features)}), encoding="utf-8")

    def read(self, number: int) -> Shard:
        """Read a shard that exists."""
        import torch

        path = self.path(number)
        if self.kind == "parquet":
            return _shard_of(pq.read_table(path))
        if self.kind == "safetensors":
            from safetensors import safe_open

            with safe_open(path, "pt") as file:
                head = json.loads(file.metadata()["rows"])
                features = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
            return Shard(head["paths"], head["reasons"], features)
        head = json.loads(path.read_text(encoding="utf-8"))
        arrays = {name: np.load(path.with_suffix(f".{name}.npy")) for name in head["features"]}
        return Shard(head["paths"], head["reasons"], {name: torch.from_numpy(each) for name, each in arrays.items()})

    def remove_unfinished(self) -> None:
        """Remove what a killed process left half written, which nobody else reads."""
        for path in self.folder.glob(f"*{_UNFINISHED}"):
            path.unlink()


def read_features(output: Path) -> Iterator[Shard]:
    """Yield the shards in an output folder, in its folder of features, or in one Parquet file.

    Raises:
        OptionError: when it is none.
    """
    if output.is_file():
        yield _shard_of(pq.read_table(output))
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
def _replacing(path: Path) -> Iterator[Path]:
    """A new file beside `path` that takes its place at the end; removed when writing fails."""
    unfinished = path.with_name(path.name + _UNFINISHED)
    try:
        yield unfinished
        with unfinished.open("rb") as stream:
            os.fsync(stream.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise ZooError(
            f"cannot write {str(path)!r}: {error.strerror or error}; what was written before is whole, and the same "
            "command goes on from there"
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _shard_of(table: pa.Table) -> Shard:
    import torch

    shapes: dict[str, Any] = json.loads((table.schema.metadata or {}).get(b"shapes", b"{}"))
    features = {}
    for name, shape in shapes.items():
        column = table.column(name).combine_chunks().drop_null()
        values = column.flatten().to_numpy()
        features[name] = torch.from_numpy(values.copy()).view(-1, *shape)
    return Shard(table.column("path").to_pylist(), table.column("reason").to_pylist(), features)
