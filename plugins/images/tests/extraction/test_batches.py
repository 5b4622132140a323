"""Processes that share the batches of a run."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import torch
from zoo_core.errors import ZooError
from zoo_images import extract, iterate, verify
from zoo_images.extraction.batches import DecodedBatches
from zoo_images.extraction.network import FeatureNetwork, NetworkOptions
from zoo_images.extraction.shards import read_features
from zoo_images.extraction.sharing import shared_batches
from zoo_images.extraction.sources import open_source

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "test_resnet.digits"


def test_processes_that_share_the_batches_give_the_same_bytes(photos: Path, tmp_path: Path) -> None:
    def files(name: str, **options: Any) -> dict[str, bytes]:
        extract(photos, MODEL, tmp_path / name, batch_size=2, shard_size=8, **options)
        return {path.name: path.read_bytes() for path in (tmp_path / name / "features").iterdir()}

    alone = files("alone", workers=0, threads=1)
    assert files("shared", workers=2, threads=1) == alone


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers decode alone")
def test_each_batch_is_computed_once_and_by_whoever_has_time(photos: Path, tmp_path: Path) -> None:
    class Noted(FeatureNetwork):
        """A network that writes down which process calls it."""

        def __call__(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
            with (tmp_path / "calls").open("a") as file:
                file.write(f"{os.getpid()}\n")
            time.sleep(0.05)
            return super().__call__(pixels)

    network = Noted(NetworkOptions(model=MODEL, threads=1))
    source = open_source(photos)
    decoded = DecodedBatches(source, network.cfg, "pillow", 2)
    numbers = list(range(len(source) // 2))[::-1]
    batches = list(shared_batches(decoded, network, numbers, 2))
    assert [batch.start for batch in batches] == [2 * number for number in numbers]
    callers = Counter((tmp_path / "calls").read_text().split())
    assert callers.total() == len(numbers)
    assert str(os.getpid()) in callers
    assert len(callers) == 3
    for batch in batches:
        again = network(decoded[batch.start // 2].pixels)
        assert torch.equal(again["pooled"], batch.features["pooled"])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers decode alone")
def test_a_worker_that_is_killed_with_a_claim_ends_the_run(photos: Path) -> None:
    class Deadly(FeatureNetwork):
        """A network that kills every process but the one that made it."""

        def __call__(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
            if os.getpid() != maker:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().__call__(pixels)

    maker = os.getpid()
    network = Deadly(NetworkOptions(model=MODEL, threads=1))
    source = open_source(photos)
    batches = shared_batches(DecodedBatches(source, network.cfg, "pillow", 2), network, range(len(source) // 2), 1)
    with pytest.raises(ZooError, match="died"):
        list(batches)


def test_the_fastest_engine_gives_the_same_within_its_tolerance(photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("zoo_inference")
    extract(photos, MODEL, tmp_path, optimize=True, workers=0)
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["fingerprint"]["optimized"]
    assert verify(tmp_path).differing == ()
    plain = torch.cat([rows.features["pooled"] for rows in iterate(photos, MODEL, workers=0)])
    (fast,) = read_features(tmp_path)
    torch.testing.assert_close(fast.features["pooled"], plain, rtol=1e-3, atol=1e-4)
