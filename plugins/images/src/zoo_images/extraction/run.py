"""A run: from a source to an output, and on from where an earlier run was interrupted.

The images are cut into batches and the batches into shards, by number alone, so that every run cuts
alike. A shard that exists is done. What is missing is decoded, computed and written in order.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import torch
from zoo_core.errors import ImageError, OptionError

from zoo_images.extraction.batches import Batch, DecodedBatches, decoded_batches
from zoo_images.extraction.fingerprint import fingerprint_of, require_same
from zoo_images.extraction.rows import Rows, joined
from zoo_images.extraction.shards import ShardFiles, write_table, write_text, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from zoo_images.extraction.network import FeatureNetwork
    from zoo_images.extraction.sources.base import Source

RUN_FILE = "run.json"
FAILURES_FILE = "failures.parquet"
SHARD_BYTES, MOST_IMAGES = 64 << 20, 2048
"""About how large a shard becomes, and how many images it has at most, where nobody says."""


class Run:
    """One output folder and all that it takes to fill it.

    Attributes:
        shards: how many there are in the whole output.
        images_per_shard: a multiple of the size of a batch.
    """

    def __init__(
        self,
        source: Source,
        network: FeatureNetwork,
        output: Path,
        *,
        batch_size: int,
        workers: int,
        kind: str,
        decoder: str = "pillow",
        shard_size: int | None = None,
    ) -> None:
        self.source, self.network, self.output = source, network, output
        self.batch_size, self.workers, self.decoder = batch_size, workers, decoder
        self.shapes = network.shapes()
        self.files = ShardFiles(output / "features", kind)
        bytes_per_image = sum(4 * torch.Size(shape).numel() for shape in self.shapes.values()) + 64
        wanted = shard_size or min(SHARD_BYTES // bytes_per_image, MOST_IMAGES)
        self.images_per_shard = batch_size * max(1, wanted // batch_size)
        self.shards = -(-len(source) // self.images_per_shard)
        layout = {"batch_size": batch_size, "images_per_shard": self.images_per_shard, "format": kind}
        self.fingerprint = fingerprint_of(network, source, decoder, layout)

    def prepare(self, settings: dict[str, Any]) -> None:
        """Make the folder, or see that the same run began it.

        Args:
            settings: how to begin the run again, written down for `zoo_images.extraction.verify`.

        Raises:
            OptionError: when other settings began it, or it is somebody else's folder.
        """
        path = self.output / RUN_FILE
        if path.exists():
            require_same(read_run(self.output)["fingerprint"], self.fingerprint, str(self.output))
        else:
            # A killed run may have left this file half written, and nothing else: it comes first.
            if self.output.exists() and any(
                each.name != ".lock" and not each.name.startswith(RUN_FILE) for each in self.output.iterdir()
            ):
                raise OptionError(f"{str(self.output)!r} holds other files: choose a new folder for the features")
            with writing(self.output):
                self.output.mkdir(parents=True, exist_ok=True)
            write_text(path, json.dumps({"settings": settings, "fingerprint": self.fingerprint}, indent=2) + "\n")
        with writing(self.files.folder):
            self.files.folder.mkdir(parents=True, exist_ok=True)
        self.files.remove_unfinished()

    def batches_of(self, shard: int) -> range:
        """The numbers of a shard's batches."""
        per_shard = self.images_per_shard // self.batch_size
        return range(shard * per_shard, min((shard + 1) * per_shard, -(-len(self.source) // self.batch_size)))

    def missing(self, *, failed: bool = False) -> list[int]:
        """The shards that are not there yet; with `failed` also those with images that failed."""
        return [
            number
            for number in range(self.shards)
            if not self.files.exists(number) or (failed and any(self.files.read_head(number)[1]))
        ]

    def compute(
        self, shards: Sequence[int], *, strict: bool = False, progress: Callable[[int], object] | None = None
    ) -> int:
        """Compute some shards, write each as soon as it is whole, and return the number of images.

        Raises:
            ImageError: with `strict`, for the first image that fails.
            ZooError: when the disk is full, or a process that decodes dies.
        """
        numbers = [batch for number in shards for batch in self.batches_of(number)]
        batches = computed_batches(
            self.source, self.network, self.decoder, self.batch_size, numbers, self.workers, strict=strict
        )
        computed = 0
        for number in shards:
            parts = []
            for _ in self.batches_of(number):
                parts.append(next(batches))
                computed += len(parts[-1].names)
                if progress:
                    progress(len(parts[-1].names))
            self.files.write(number, joined(parts))
        return computed

    def finish(self) -> int:
        """Write the table of failures, with ``path`` and ``reason``, and return their number."""
        rows = [
            (name, reason)
            for number in range(self.shards)
            if self.files.exists(number)
            for name, reason in zip(*self.files.read_head(number), strict=True)
            if reason is not None
        ]
        columns = {"path": [row[0] for row in rows], "reason": [row[1] for row in rows]}
        schema = pa.schema({"path": pa.string(), "reason": pa.string()})
        write_table(self.output / FAILURES_FILE, pa.table(columns, schema))
        return len(rows)


def computed_batches(
    source: Source,
    network: FeatureNetwork,
    decoder: str,
    batch_size: int,
    numbers: Sequence[int],
    workers: int,
    *,
    strict: bool,
) -> Iterator[Rows]:
    """Yield the rows of batches, computed by workers too where they can, see `shared_batches`.

    Raises:
        ImageError: with `strict`, for the first image that fails.
        ZooError: when a process that decodes dies.
    """
    for batch, features in _with_features(source, network, decoder, batch_size, numbers, workers):
        if strict and (failed := [reason for reason in batch.reasons if reason is not None]):
            raise ImageError(failed[0])
        good = torch.tensor([reason is None for reason in batch.reasons])
        names = source.names[batch.start : batch.start + len(good)]
        yield Rows(list(names), batch.reasons, {name: tensor[good] for name, tensor in features.items()})


def _with_features(
    source: Source, network: FeatureNetwork, decoder: str, batch_size: int, numbers: Sequence[int], workers: int
) -> Iterator[tuple[Batch, dict[str, Tensor]]]:
    """Yield batches with their features: images that failed are black, as kernels round by size."""
    if workers and numbers and network.runs_in_forks:
        from zoo_images.extraction.sharing import shared_batches  # Linux has what it takes

        decoded = DecodedBatches(source, network.cfg, decoder, batch_size)
        for computed in shared_batches(decoded, network, numbers, workers):
            yield computed, computed.features
    else:
        for batch in decoded_batches(source, network.cfg, decoder, batch_size, numbers, workers):
            yield batch, network(batch.pixels)


def read_run(output: Path) -> dict[str, Any]:
    """The settings and the fingerprint that an output was begun with.

    Raises:
        OptionError: when the folder is no output, or its file was changed.
    """
    try:
        run = json.loads((output / RUN_FILE).read_text(encoding="utf-8"))
        if not isinstance(run["settings"], dict) or not isinstance(run["fingerprint"], dict):
            raise TypeError
    except FileNotFoundError as error:
        raise OptionError(f"{str(output)!r} holds no features: there is no {RUN_FILE} in it") from error
    except (ValueError, KeyError, TypeError) as error:
        raise OptionError(f"{str(output / RUN_FILE)!r} is not as zoo extract writes it") from error
    return run


def engine_of(output: Path) -> str | None:
    """The engine of zoo-inference that an output was begun with; None where there is none."""
    engine = read_run(output)["fingerprint"].get("optimized") if (output / RUN_FILE).exists() else None
    return engine if isinstance(engine, str) else None
