"""A run: from a source to an output, and on from where an earlier run was interrupted.

The images are cut into batches and the batches into shards, by number alone, so that every run cuts
alike. A shard that exists is done. What is missing is decoded, computed and written in order.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import torch
from filelock import FileLock, Timeout
from zoo_core.errors import ImageError, OptionError, ZooError

from zoo_images.extraction.batches import Batch, decoded_batches
from zoo_images.extraction.fingerprint import fingerprint_of, require_same
from zoo_images.extraction.network import FeatureNetwork, NetworkOptions
from zoo_images.extraction.shards import Shard, ShardFiles, write_table, write_text
from zoo_images.extraction.sources import open_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from zoo_images.extraction.sources.base import Source

RUN_FILE = "run.json"
FAILURES_FILE = "failures.parquet"
ENGINES = ("local", "ray")
SHARD_BYTES, MOST_IMAGES = 64 << 20, 16_384
"""About how large a shard becomes, and how many images it has at most, where nobody says."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """What a run did."""

    output: str
    images: int
    failed: int
    computed: int
    """Images whose features this run computed; the others were there."""
    shapes: dict[str, tuple[int, ...]]


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
        shard_size: int | None = None,
    ) -> None:
        self.source, self.network, self.output = source, network, output
        self.batch_size, self.workers = batch_size, workers
        self.shapes = network.shapes()
        self.files = ShardFiles(output / "features", kind)
        bytes_per_image = sum(4 * torch.Size(shape).numel() for shape in self.shapes.values()) + 64
        wanted = shard_size or min(SHARD_BYTES // bytes_per_image, MOST_IMAGES)
        self.images_per_shard = batch_size * max(1, wanted // batch_size)
        self.shards = -(-len(source) // self.images_per_shard)
        layout = {"batch_size": batch_size, "images_per_shard": self.images_per_shard, "format": kind}
        self.fingerprint = fingerprint_of(network, source, layout)

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
        elif self.output.exists() and any(each.name != ".lock" for each in self.output.iterdir()):
            raise OptionError(f"{str(self.output)!r} holds other files: choose a new folder for the features")
        self.files.folder.mkdir(parents=True, exist_ok=True)
        self.files.remove_unfinished()
        if not path.exists():
            write_text(path, json.dumps({"settings": settings, "fingerprint": self.fingerprint}, indent=2) + "\n")

    def batches_of(self, shard: int) -> range:
        """The numbers of a shard's batches."""
        per_shard = self.images_per_shard // self.batch_size
        return range(shard * per_shard, min((shard + 1) * per_shard, -(-len(self.source) // self.batch_size)))

    def missing(self, *, failed: bool = False) -> list[int]:
        """The shards that are not there yet; with `failed` also those with images that failed."""
        return [
            number
            for number in range(self.shards)
            if not self.files.exists(number) or (failed and any(self.files.read(number).reasons))
        ]

    def compute(
        self, shards: Sequence[int], *, strict: bool = False, progress: Callable[[int], object] | None = None
    ) -> int:
        """Compute some shards, write each as soon as it is whole, and return the number of images.

        Raises:
            ImageError: with `strict`, for the first image that fails.
            ZooError: when the disk is full, or a process that decodes dies.
        """
        computed = 0
        for number, shard in self._shards(shards, strict, progress):
            self.files.write(number, shard)
            computed += len(shard.names)
        return computed

    def shard(self, number: int) -> Shard:
        """Compute one shard."""
        ((_, shard),) = self._shards([number], strict=False, progress=None)
        return shard

    def finish(self) -> int:
        """Write the table of failures, with ``path`` and ``reason``, and return their number."""
        rows = [
            (name, reason)
            for number in range(self.shards)
            if self.files.exists(number)
            for shard in [self.files.read(number)]
            for name, reason in zip(shard.names, shard.reasons, strict=True)
            if reason is not None
        ]
        columns = {"path": [row[0] for row in rows], "reason": [row[1] for row in rows]}
        schema = pa.schema({"path": pa.string(), "reason": pa.string()})
        write_table(self.output / FAILURES_FILE, pa.table(columns, schema))
        return len(rows)

    def _shards(
        self, shards: Sequence[int], strict: bool, progress: Callable[[int], object] | None
    ) -> Iterator[tuple[int, Shard]]:
        numbers = [batch for number in shards for batch in self.batches_of(number)]
        decoded = decoded_batches(self.source, self.network.cfg, self.batch_size, numbers, self.workers)
        for number in shards:
            reasons: list[str | None] = []
            parts: list[dict[str, Tensor]] = []
            for batch in (_next(decoded) for _ in self.batches_of(number)):
                failed = [reason for reason in batch.reasons if reason is not None]
                if strict and failed:
                    raise ImageError(failed[0])
                # Images that failed stay in the batch, black, because kernels round by its size.
                features = self.network(batch.pixels)
                good = torch.tensor([reason is None for reason in batch.reasons])
                parts.append({name: tensor[good] for name, tensor in features.items()})
                reasons += batch.reasons
                if progress:
                    progress(len(batch.reasons))
            start = number * self.images_per_shard
            features = {name: torch.cat([part[name] for part in parts]) for name in self.shapes}
            yield number, Shard(self.source.names[start : start + len(reasons)], reasons, features)


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


def extract(
    source: str | Path | Sequence[str | Path],
    model: str,
    output: str | Path,
    *,
    features: Sequence[str] = ("pooled",),
    batch_size: int = 32,
    workers: int = 1,
    device: str = "cpu",
    dtype: str = "float32",
    channels_last: bool = False,
    input_size: tuple[int, int] | None = None,
    random: bool = False,
    column: str | None = None,
    format: str = "parquet",  # noqa: A002 - the word for it
    shard_size: int | None = None,
    strict: bool = False,
    retry_failed: bool = False,
    engine: str = "local",
    actors: int = 1,
    progress: bool = False,
) -> Summary:
    """Extract features of many images into a folder; called again after an interruption, go on.

    ``output/features`` holds the shards, ``output/run.json`` all that the numbers depend on, and
    ``output/failures.parquet`` the images that could not be read, with the reasons. However often
    it was interrupted, the output is byte for byte that of one run.

    Args:
        source: a folder, a glob pattern, a list of paths, tables or tars, see `open_source`.
        model: a model name.
        output: a folder, new or begun by the same call.
        features: what to take of the network, see `FeatureNetwork`.
        batch_size: images that the network takes at once.
        workers: processes that decode images; 0 decodes in this one.
        device: where the network runs.
        dtype: what it computes in.
        channels_last: run it in that memory format.
        input_size: height and width, instead of the default config's.
        random: seeded random weights instead of pretrained ones.
        column: of a table, the column with the images.
        format: of the shards: ``parquet``, ``safetensors`` or ``npy``.
        shard_size: images in a shard, cut to whole batches: what an interruption costs at most;
            None for some 64 MB.
        strict: stop at the first image that fails.
        retry_failed: compute the shards with images that failed before once more.
        engine: ``local``, or ``ray`` for a cluster, see `zoo_images.extraction.on_ray`.
        actors: processes of the cluster that compute.
        progress: show a progress bar on stderr.

    Raises:
        OptionError: for a source or option that does not exist, or an output that was begun
            otherwise.
        ImageError: with `strict`, for the first image that fails.
        ZooError: when another process writes to `output`, or the disk is full.
    """
    for name, value, least in (
        ("batch_size", batch_size, 1),
        ("workers", workers, 0),
        ("actors", actors, 1),
        ("shard_size", 1 if shard_size is None else shard_size, 1),
    ):
        if value < least:
            raise OptionError(f"{name} {value}: at least {least}")
    if engine not in ENGINES:
        raise OptionError(f"there is no engine {engine!r}; there are {', '.join(ENGINES)}")
    options = NetworkOptions(
        model=model,
        features=tuple(features),
        random=random,
        input_size=input_size,
        device=device,
        dtype=dtype,
        channels_last=channels_last,
    )
    listed, folder = open_source(source, column=column), Path(output)
    run = Run(
        listed,
        FeatureNetwork(options),
        folder,
        batch_size=batch_size,
        workers=workers,
        kind=format,
        shard_size=shard_size,
    )
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            given = _absolute(source) if isinstance(source, str | Path) else [_absolute(path) for path in source]
            run.prepare({"source": given, "column": column, "network": dataclasses.asdict(options)})
            shards = run.missing(failed=retry_failed)
            with _progress_bar(run, shards, shown=progress) as bar:
                try:
                    computed = _computed(run, shards, engine, actors, strict=strict, progress=bar)
                except BaseException:
                    with contextlib.suppress(ZooError):  # the first error says more than a second one
                        run.finish()
                    raise
            failed = run.finish()
    except Timeout as error:
        raise ZooError(f"another process writes features to {str(folder)!r}") from error
    return Summary(output=str(folder), images=len(listed), failed=failed, computed=computed, shapes=run.shapes)


def _computed(
    run: Run,
    shards: Sequence[int],
    engine: str,
    actors: int,
    *,
    strict: bool,
    progress: Callable[[int], object],
) -> int:
    """Compute the shards with an engine; returns how many images that were."""
    if engine == "ray" and shards:
        from zoo_images.extraction.on_ray import compute_on_ray

        return compute_on_ray(run, shards, actors=actors, strict=strict, progress=progress)
    return run.compute(shards, strict=strict, progress=progress)


def _absolute(path: str | Path) -> str:
    return str(Path(path).expanduser().absolute())


def _next(batches: Iterator[Batch]) -> Batch:
    try:
        return next(batches)
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise ZooError(
            "a process that decodes images died: there may be too little memory for so many --workers, or a file in "
            "the next batches breaks the decoder"
        ) from error


@contextlib.contextmanager
def _progress_bar(run: Run, shards: Sequence[int], *, shown: bool) -> Iterator[Callable[[int], object]]:
    """Count images on stderr, with their rate and the time that is left."""
    from tqdm import tqdm

    total = len(run.source)
    missing = sum(min((number + 1) * run.images_per_shard, total) - number * run.images_per_shard for number in shards)
    with tqdm(total=total, initial=total - missing, unit=" images", disable=not shown, dynamic_ncols=True) as bar:
        yield bar.update
