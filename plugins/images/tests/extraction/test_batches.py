"""Workers that decode, and compute where they are ahead."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import torch
from zoo_images import extract, iterate, verify
from zoo_images.extraction.batches import decoded_batches
from zoo_images.extraction.network import FeatureNetwork, NetworkOptions
from zoo_images.extraction.shards import read_features
from zoo_images.extraction.sources import open_source

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "test_resnet.digits"


def test_workers_that_are_ahead_compute_the_same_bytes(photos: Path, tmp_path: Path) -> None:
    def files(name: str, **options: Any) -> dict[str, bytes]:
        extract(photos, MODEL, tmp_path / name, batch_size=2, shard_size=8, **options)
        return {path.name: path.read_bytes() for path in (tmp_path / name / "features").iterdir()}

    alone = files("alone", workers=0, threads=1)
    assert files("shared", workers=2, threads=1) == alone


def test_which_batches_workers_compute(photos: Path) -> None:
    network = FeatureNetwork(NetworkOptions(model=MODEL, threads=1))
    source = open_source(photos)
    batches = decoded_batches(source, network.cfg, "pillow", 2, range(20), 1, network)
    taken = []
    for batch in batches:
        taken.append(batch)
        time.sleep(0.1)  # a slow network: the worker is ahead
    computed = [batch for batch in taken if batch.features is not None]
    assert computed
    assert taken[0].features is None
    assert [batch.start for batch in taken] == list(range(0, 40, 2))
    for batch in decoded_batches(source, network.cfg, "pillow", 2, range(20), 0):
        (twin,) = [each for each in computed if each.start == batch.start] or [None]
        if twin:
            assert torch.equal(network(batch.pixels)["pooled"], twin.features["pooled"])


def test_the_fastest_engine_gives_the_same_within_its_tolerance(photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("zoo_inference")
    extract(photos, MODEL, tmp_path, optimize=True, workers=0)
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["fingerprint"]["optimized"]
    assert verify(tmp_path).differing == ()
    plain = torch.cat([rows.features["pooled"] for rows in iterate(photos, MODEL, workers=0)])
    (fast,) = read_features(tmp_path)
    torch.testing.assert_close(fast.features["pooled"], plain, rtol=1e-3, atol=1e-4)
