"""Batches of images, decoded in order by worker processes while the network computes.

On a CPU a worker that is ahead computes its batch itself, so that no process waits for long,
whichever of decoding and computing takes longer.
"""

from __future__ import annotations

import ctypes
import dataclasses
import multiprocessing
import os
import signal
import sys
import warnings
from functools import partial
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from zoo_core.errors import ImageError, ZooError

from zoo_images.extraction.decoders import decode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zoo_core.config import PretrainedCfg

    from zoo_images.extraction.network import FeatureNetwork
    from zoo_images.extraction.sources.base import Source

_PR_SET_PDEATHSIG = 1
_KEPT_BLOCKS = 8
"""Of 16 MB: memory that a worker keeps for its next image. Pillow would give it back to the system
after each, which costs as much time as decoding."""
_ENOUGH = 2
"""Decoded batches that wait for the network; a worker that finds so many is ahead."""


@dataclasses.dataclass
class Batch:
    """Some images that follow each other in a source."""

    start: int
    """Number of the first image in the source."""
    pixels: Tensor
    """uint8 (images, height, width, channels), resized and cropped; black where an image failed."""
    reasons: list[str | None]
    """Why each image failed; None where it did not."""
    features: dict[str, Tensor] | None = None
    """What the network gives for the pixels, where a worker computed it; then there are none."""


class _Decoded(Dataset[Batch]):
    """The batches of a source by number, with fixed boundaries, as kernels round by batch size."""

    def __init__(
        self, source: Source, cfg: PretrainedCfg, decoder: str, batch_size: int, network: FeatureNetwork | None
    ) -> None:
        self.source, self.cfg, self.decoder, self.batch_size = source, cfg, decoder, batch_size
        self.network = network
        self.waiting = multiprocessing.Value("i", 0) if network else None

    def __getitem__(self, number: int) -> Batch:
        """Decode a batch; compute it, where the network has enough to do."""
        batch = self._decoded(number)
        if self.network is None or self.waiting is None:
            return batch
        with self.waiting.get_lock():
            ahead = self.waiting.value >= _ENOUGH
            self.waiting.value += not ahead
        if ahead:
            batch.features, batch.pixels = self.network(batch.pixels), batch.pixels[:0]
        return batch

    def taken(self, batch: Batch) -> None:
        """Count a batch that reached the network."""
        if self.waiting is not None and batch.features is None:
            with self.waiting.get_lock():
                self.waiting.value -= 1

    def _decoded(self, number: int) -> Batch:
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
    source: Source,
    cfg: PretrainedCfg,
    decoder: str,
    batch_size: int,
    numbers: Sequence[int],
    workers: int,
    network: FeatureNetwork | None = None,
) -> Iterator[Batch]:
    """Yield the batches `numbers`, in that order.

    Args:
        source: the images.
        cfg: the default config, which says how an image becomes an input.
        decoder: see `zoo_images.extraction.decoders`.
        batch_size: images in a batch; the last one of the source may be smaller.
        numbers: which batches, counted from 0.
        workers: processes that decode, each on one thread; 0 decodes in this one.
        network: what the batches are for. Workers that are ahead compute with it, where a forked
            process can.

    Raises:
        ZooError: when one of these processes dies.
    """
    shared = network if network and workers and sys.platform == "linux" and network.runs_in_forks else None
    dataset = _Decoded(source, cfg, decoder, batch_size, shared)
    with warnings.catch_warnings():
        # It warns of more workers than cores, which whoever asks for them knows better.
        warnings.filterwarnings("ignore", message="This DataLoader will create")
        loader = DataLoader(
            dataset,
            batch_size=None,
            sampler=list(numbers),
            num_workers=workers,
            prefetch_factor=3 if workers else None,
            worker_init_fn=partial(_begin, os.getpid()),
            multiprocessing_context="fork" if shared else None,  # so that workers have the network
        )
        decoded = iter(loader)
    try:
        for batch in decoded:
            dataset.taken(batch)
            yield batch
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise ZooError(
            "a process that decodes images died: there may be too little memory for so many --workers, or a file in "
            "the next batches breaks the decoder"
        ) from error


def _begin(parent: int, _: int) -> None:
    _end_with(parent)
    Image.core.set_blocks_max(_KEPT_BLOCKS)  # type: ignore[attr-defined] # it has no other name


def _end_with(parent: int) -> None:
    """Let a worker end when the process `parent` that started it is killed.

    PyTorch's own watch over the parent starts too late: a worker whose parent is killed while it
    starts would wait for ever.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
