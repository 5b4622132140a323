"""Batches of images, decoded in order by worker processes while the network computes."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import signal
import sys
import warnings
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from zoo_core.errors import ImageError, ZooError

from zoo_images.extraction.decoders import decode
from zoo_images.extraction.memory import keep_freed_memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zoo_core.config import PretrainedCfg

    from zoo_images.extraction.sources.base import Source

Item = TypeVar("Item")

PREFETCHED = 3
"""Batches that each worker may be ahead."""
_PR_SET_PDEATHSIG = 1


@dataclasses.dataclass
class Batch:
    """Some images that follow each other in a source."""

    start: int
    """Number of the first image in the source."""
    pixels: Tensor
    """uint8 (images, height, width, channels), resized and cropped; black where an image failed."""
    reasons: list[str | None]
    """Why each image failed; None where it did not."""


class DecodedBatches(Dataset[Batch]):
    """The batches of a source by number, with fixed boundaries, as kernels round by batch size."""

    def __init__(self, source: Source, cfg: PretrainedCfg, decoder: str, batch_size: int) -> None:
        self.source, self.cfg, self.decoder, self.batch_size = source, cfg, decoder, batch_size

    def __getitem__(self, number: int) -> Batch:
        """Decode a batch."""
        start = number * self.batch_size
        stop = min(start + self.batch_size, len(self.source))
        channels, height, width = self.cfg.input_size
        pixels = torch.zeros(stop - start, height, width, channels, dtype=torch.uint8)
        reasons: list[str | None] = []
        names = self.source.names[start:stop]
        for target, name, encoded in zip(pixels, names, self.source.read(start, stop), strict=True):
            try:
                target.copy_(decode(encoded, name, self.cfg, self.decoder))
                reasons.append(None)
            except ImageError as error:
                reasons.append(str(error))
        return Batch(start, pixels, reasons)


def decoded_batches(
    source: Source, cfg: PretrainedCfg, decoder: str, batch_size: int, numbers: Sequence[int], workers: int
) -> Iterator[Batch]:
    """Yield the batches `numbers`, in that order.

    Args:
        source: the images.
        cfg: the default config, which says how an image becomes an input.
        decoder: see `zoo_images.extraction.decoders`.
        batch_size: images in a batch; the last one of the source may be smaller.
        numbers: which batches, counted from 0.
        workers: processes that decode, each on one thread; 0 decodes in this one.

    Raises:
        ZooError: when one of these processes dies.
    """
    yield from by_workers(DecodedBatches(source, cfg, decoder, batch_size), numbers, workers)


def by_workers(dataset: Dataset[Item], keys: Sequence[int], workers: int, start: str | None = None) -> Iterator[Item]:
    """Iterate over items of a dataset in the order of `keys`, each made by a worker process.

    The workers start at once.

    Args:
        dataset: the items.
        keys: which, in which order.
        workers: how many processes; 0 makes the items in this one.
        start: how they start, "fork" or "spawn"; None for the platform's way.

    Raises:
        ZooError: when one of these processes dies.
    """
    with warnings.catch_warnings():
        # It warns of more workers than cores, which whoever asks for them knows better.
        warnings.filterwarnings("ignore", message="This DataLoader will create")
        items = iter(
            DataLoader(
                dataset,
                batch_size=None,
                sampler=keys,
                num_workers=workers,
                prefetch_factor=PREFETCHED if workers else None,
                worker_init_fn=partial(_begin, os.getpid()),
                multiprocessing_context=start,
            )
        )
    return _or_death(items)


def _or_death(items: Iterator[Item]) -> Iterator[Item]:
    try:
        yield from items
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise ZooError(
            "a process that decodes images died: there may be too little memory for so many --workers, or a file in "
            "the next batches breaks the decoder"
        ) from error


def _begin(parent: int, _: int) -> None:
    _end_with(parent)
    keep_freed_memory()


def _end_with(parent: int) -> None:
    """Let a worker end when the process `parent` that started it is killed.

    PyTorch's own watch over the parent starts too late: a worker whose parent is killed while it
    starts would wait for ever.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
