"""Features of many images: `extract` writes them into files, `iterate` yields them."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from zoo_core.errors import OptionError, ZooError

from zoo_images.extraction.decoders import require_decoder
from zoo_images.extraction.network import FeatureNetwork, NetworkOptions
from zoo_images.extraction.run import Run, computed_batches, engine_of
from zoo_images.extraction.shards import writing
from zoo_images.extraction.sources import open_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, Unpack

    from zoo_images.extraction.network import NetworkFields
    from zoo_images.extraction.rows import Rows

ENGINES = ("local", "ray")
_LOGGED = 30
"""Seconds between states of the progress bar where stderr is no terminal, but a log."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """What a run did."""

    output: str
    images: int
    failed: int
    computed: int
    """Images whose features this run computed; the others were there."""
    shapes: dict[str, tuple[int, ...]]
    decoder: dict[str, Any]
    """What made pixels of the files; of another decoder than Pillow, by how much they differ."""


def extract(
    source: str | Path | Sequence[str | Path],
    model: str,
    output: str | Path,
    *,
    features: Sequence[str] = ("pooled",),
    batch_size: int = 32,
    workers: int = 1,
    decoder: str = "pillow",
    column: str | None = None,
    format: str = "parquet",  # noqa: A002 - the word for it
    shard_size: int | None = None,
    strict: bool = False,
    retry_failed: bool = False,
    engine: str = "local",
    actors: int = 1,
    progress: bool = False,
    **network: Unpack[NetworkFields],
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
        workers: processes that decode images; 0 decodes in this one. On a CPU of a Linux machine,
            with ``threads=1``, all processes decode and compute.
        decoder: what makes pixels of files, see `zoo_images.extraction.decoders`.
        column: of a table, the column with the images.
        format: of the shards: ``parquet``, ``safetensors`` or ``npy``.
        shard_size: images in a shard, cut to whole batches: what an interruption costs at most;
            None for 2,048, or as many as take 64 MB.
        strict: stop at the first image that fails.
        retry_failed: compute the shards with images that failed before once more.
        engine: ``local``, or ``ray`` for a cluster, see `zoo_images.extraction.on_ray`.
        actors: processes of the cluster that compute.
        progress: show a progress bar on stderr.
        network: how the network is made and run, see `NetworkOptions`: ``device``, ``dtype``,
            ``channels_last``, ``optimize``, ``input_size``, ``random``, ``checkpoint``,
            ``threads``.

    Raises:
        OptionError: for a source or option that does not exist, or an output that was begun
            otherwise.
        ImageError: with `strict`, for the first image that fails.
        ZooError: when another process writes to `output`, or the disk is full or cannot be written.
    """
    _require_at_least(batch_size=(batch_size, 1), workers=(workers, 0), actors=(actors, 1))
    if shard_size is not None:
        _require_at_least(shard_size=(shard_size, 1))
    if engine not in ENGINES:
        raise OptionError(f"there is no engine {engine!r}; there are {', '.join(ENGINES)}")
    require_decoder(decoder)
    options = NetworkOptions.of(model, features, network)
    listed, folder = open_source(source, column=column), Path(output)
    run = Run(
        listed,
        FeatureNetwork(options, engine_of(folder)),
        folder,
        batch_size=batch_size,
        workers=workers,
        decoder=decoder,
        kind=format,
        shard_size=shard_size,
    )
    settings = {"source": _given(source), "column": column, "decoder": decoder, "network": dataclasses.asdict(options)}
    with _held(folder):
        run.prepare(settings)
        shards = run.missing(failed=retry_failed)
        with _progress_bar(run, shards, shown=progress) as bar:
            try:
                computed = _computed(run, shards, engine, actors, strict=strict, progress=bar)
            except BaseException:
                with contextlib.suppress(ZooError):  # the first error says more than a second one
                    run.finish()
                raise
        failed = run.finish()
    return Summary(
        output=str(folder),
        images=len(listed),
        failed=failed,
        computed=computed,
        shapes=run.shapes,
        decoder=run.fingerprint["decoder"],
    )


def iterate(
    source: str | Path | Sequence[str | Path],
    model: str,
    *,
    features: Sequence[str] = ("pooled",),
    batch_size: int = 32,
    workers: int = 1,
    decoder: str = "pillow",
    column: str | None = None,
    **network: Unpack[NetworkFields],
) -> Iterator[Rows]:
    """Yield the features of many images batch by batch, and write nothing.

    Each batch has ``paths``, ``features`` (a tensor by name, a row for each path) and ``failures``
    (the reasons of images without features). The arguments are those of `extract`, and so are the
    numbers.

    Raises:
        OptionError: for a source or option that does not exist.
        ZooError: when a process that decodes dies.
    """
    _require_at_least(batch_size=(batch_size, 1), workers=(workers, 0))
    require_decoder(decoder)
    options = NetworkOptions.of(model, features, network)
    listed = open_source(source, column=column)
    numbers = range(-(-len(listed) // batch_size))
    return computed_batches(listed, FeatureNetwork(options), decoder, batch_size, numbers, workers, strict=False)


def _require_at_least(**limits: tuple[int, int]) -> None:
    for name, (value, least) in limits.items():
        if value < least:
            raise OptionError(f"{name} {value}: at least {least}")


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Keep other processes from writing to a folder, which is made."""
    lock = FileLock(folder / ".lock", timeout=0)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout as error:
            raise ZooError(f"another process writes features to {str(folder)!r}") from error
    try:
        yield
    finally:
        lock.release()


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


def _given(source: str | Path | Sequence[str | Path]) -> str | list[str]:
    """The source as another process, in another folder, finds it."""
    if isinstance(source, str | Path):
        return str(Path(source).expanduser().absolute())
    return [str(Path(path).expanduser().absolute()) for path in source]


@contextlib.contextmanager
def _progress_bar(run: Run, shards: Sequence[int], *, shown: bool) -> Iterator[Callable[[int], object]]:
    """Count images on stderr, with their rate and the time that is left."""
    from tqdm import tqdm

    total = len(run.source)
    missing = sum(min((number + 1) * run.images_per_shard, total) - number * run.images_per_shard for number in shards)
    interval = 0.1 if sys.stderr.isatty() else _LOGGED
    with tqdm(
        total=total,
        initial=total - missing,
        unit=" images",
        disable=not shown,
        dynamic_ncols=True,
        mininterval=interval,
    ) as bar:
        yield bar.update
