"""Batches that equal processes share: each decodes and computes, so that none waits.

For networks on a CPU. Whichever of decoding and computing takes longer, all cores are busy.
"""

from __future__ import annotations

import dataclasses
import fcntl
import os
from multiprocessing.sharedctypes import RawArray
from typing import TYPE_CHECKING

from torch.utils.data import Dataset

from zoo_images.extraction.batches import PREFETCHED, Batch, DecodedBatches, by_workers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from torch import Tensor

    from zoo_images.extraction.network import FeatureNetwork


@dataclasses.dataclass
class ComputedBatch(Batch):
    """A batch and what the network gives for it; the pixels are dropped."""

    features: dict[str, Tensor]


class _Shared(Dataset[ComputedBatch | None]):
    """Computed batches by their place in the order; None where another process claimed it first.

    A claim is a lock on the byte of that place in a file without a name. The system gives it to one
    process, and takes it back from one that was killed.
    """

    def __init__(
        self, decoded: DecodedBatches, network: FeatureNetwork, numbers: Sequence[int], claims: BinaryIO
    ) -> None:
        self.decoded, self.network, self.numbers, self.claims = decoded, network, numbers, claims
        self.done = RawArray("b", len(numbers))

    def __getitem__(self, place: int) -> ComputedBatch | None:
        """Compute the batch at a place, unless another process does."""
        return self.compute(place) if self.claim(place) else None

    def claim(self, place: int) -> bool:
        """Return whether no other process claimed this place."""
        try:
            fcntl.lockf(self.claims, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except BlockingIOError:
            return False
        return True

    def compute(self, place: int) -> ComputedBatch:
        """Decode a batch, and compute its features."""
        batch = self.decoded[self.numbers[place]]
        features = self.network(batch.pixels)
        self.done[place] = 1
        return ComputedBatch(batch.start, batch.pixels[:0], batch.reasons, features)


def shared_batches(
    decoded: DecodedBatches, network: FeatureNetwork, numbers: Sequence[int], workers: int
) -> Iterator[ComputedBatch]:
    """Yield batches with features in the order of `numbers`, made by workers and by this process.

    While the next batch is in the works elsewhere, this process claims a later one.

    Args:
        decoded: the images of the source.
        network: one that `runs_in_forks`.
        numbers: which batches.
        workers: processes beside this one, at least 1.

    Raises:
        ZooError: when one of these processes dies.
    """
    with os.fdopen(os.memfd_create("claims"), "r+b", buffering=0) as claims:
        shared = _Shared(decoded, network, numbers, claims)
        by_others = by_workers(shared, range(len(numbers)), workers, start="fork")  # they have the network then
        own: dict[int, ComputedBatch] = {}
        for place in range(len(numbers)):
            window = range(place, min(place + PREFETCHED * workers, len(numbers)))
            while not shared.done[place]:
                claimed = next((each for each in window if not shared.done[each] and shared.claim(each)), None)
                if claimed is None:
                    break
                own[claimed] = shared.compute(claimed)
            batch = next(by_others)
            yield own.pop(place) if batch is None else batch
