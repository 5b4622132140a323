"""Compute some rows of an output again, and compare."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from random import Random
from typing import Any

import torch
from zoo_core.errors import OptionError

from zoo_images.extraction.batches import Batch, decoded_batches
from zoo_images.extraction.decoders import require_decoder
from zoo_images.extraction.fingerprint import require_same
from zoo_images.extraction.network import FeatureNetwork, NetworkOptions
from zoo_images.extraction.run import RUN_FILE, Run, engine_of, read_run
from zoo_images.extraction.sources import open_source


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verification:
    """Rows that were computed again."""

    images: int
    """How many were compared."""
    missing: int
    """Shards that the output does not have yet."""
    differing: tuple[str, ...]
    """Names of images whose row is another now."""


def verify(output: str | Path, *, batches: int = 4, workers: int = 1, seed: int | None = None) -> Verification:
    """Compute some batches of an output again, and compare each row bit for bit.

    Args:
        output: a folder of `zoo_images.extract`.
        batches: how many, drawn at random.
        workers: processes that decode images.
        seed: of the draw; None for another one each time.

    Raises:
        OptionError: when the folder is no output, or the machine, the weights or the images are not
            what they were.
    """
    folder = Path(output)
    run = _run_of(folder, workers)
    source, decoder = run.source, run.decoder
    written = [number for number in range(run.shards) if run.files.exists(number)]
    there = [batch for shard in written for batch in run.batches_of(shard)]
    drawn = sorted(Random(seed).sample(there, min(batches, len(there))))  # noqa: S311 - no secret
    images, differing = 0, list[str]()
    for batch in decoded_batches(source, run.network.cfg, decoder, run.batch_size, drawn, workers):
        images += len(batch.reasons)
        differing += _differing(run, batch)
    return Verification(images=images, missing=run.shards - len(written), differing=tuple(differing))


def _run_of(folder: Path, workers: int) -> Run:
    """The run that an output was written by, on this machine."""
    began = read_run(folder)
    settings, fingerprint = began["settings"], began["fingerprint"]
    try:
        options = NetworkOptions.from_json(settings["network"])
        source = open_source(settings["source"], column=settings["column"])
        layout: dict[str, Any] = {
            "batch_size": int(fingerprint["batch_size"]),
            "shard_size": int(fingerprint["images_per_shard"]),
            "kind": str(fingerprint["format"]),
            "decoder": str(settings["decoder"]),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise OptionError(f"{str(folder / RUN_FILE)!r} is not as zoo extract writes it") from error
    require_decoder(layout["decoder"])
    run = Run(source, FeatureNetwork(options, engine_of(folder)), folder, workers=workers, **layout)
    require_same(fingerprint, run.fingerprint, str(folder))
    return run


def _differing(run: Run, batch: Batch) -> list[str]:
    """The names of a batch's images whose row is another now."""
    number, first = divmod(batch.start, run.images_per_shard)
    shard = run.files.read(number)
    last = first + len(batch.reasons)
    row = first - sum(reason is not None for reason in shard.reasons[:first])
    features = run.network(batch.pixels)
    differing = []
    for index, (name, old, new) in enumerate(
        zip(shard.names[first:last], shard.reasons[first:last], batch.reasons, strict=True)
    ):
        same = old == new
        if old is None:
            same = same and all(torch.equal(shard.features[kind][row], features[kind][index]) for kind in run.shapes)
            row += 1
        if not same:
            differing.append(name)
    return differing
