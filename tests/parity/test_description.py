"""What `describe` tells without building a model: against timm's facts, its figures, and timm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import peers
import pytest
import torch
import zoo_core as zoo
from zoo_core.description import Description

FACTS: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "facts/architectures.json").read_text(encoding="utf-8")
)
# timm leaves out the last map of sedarknet21, see test_cspnet_facts.py.
LIKE_TIMM = sorted(set(FACTS) - {"sedarknet21"})
OURS = zoo.list_models(module=peers.FAMILIES)
WITHOUT = [name for name in OURS if name not in FACTS]

# Multiply-adds in billions, and activations in millions, as timm publishes them for 15
# architectures at the image size of their default weights. It counts batch norms as well.
PUBLISHED = {
    "cs3darknet_focus_s": (0.69, 2.70),
    "cs3darknet_s": (0.72, 2.97),
    "cs3darknet_focus_m": (1.98, 4.89),
    "cs3darknet_m": (2.08, 5.28),
    "darknet17": (3.26, 7.18),
    "ecaresnet50d_pruned": (2.53, 6.43),
    "resnet10t": (0.70, 1.51),
    "resnet14t": (1.07, 3.61),
    "resnet18": (1.82, 2.48),
    "resnet18d": (2.06, 3.29),
    "resnet26": (2.36, 7.35),
    "resnet26d": (2.60, 8.15),
    "resnet34": (3.67, 3.74),
    "resnetrs50": (2.29, 6.20),
    "seresnet18": (1.82, 2.49),
}


def maps(known: Description) -> list[tuple[int, int, str]]:
    return list(zip(known.channels, known.reductions, known.modules, strict=True))


@pytest.mark.parametrize("name", LIKE_TIMM)
def test_parameters_and_maps_are_timms(name: str) -> None:
    known, stated = zoo.describe(name), FACTS[name]
    if known.num_classes == 1000:  # timm's facts are of 1,000 classes, ours of the default weights
        assert known.parameters == stated["parameters"]
    features = stated["features"]
    rows = list(zip(features["channels"], features["reduction"], features["module"], strict=True))
    assert maps(known)[: len(rows)] == rows  # of at most five maps, where timm's wrappers stop
    assert set(known.layouts) == {"NCHW"}


@pytest.mark.parametrize("name", OURS)
def test_nothing_is_left_out(name: str) -> None:
    known = zoo.describe(name)
    assert known.parameters
    assert known.macs
    assert known.activations
    assert known.input_size
    assert maps(known)
    assert known.macs > known.activations


@pytest.mark.parametrize("name", PUBLISHED)
def test_costs_are_those_that_timm_publishes(name: str) -> None:
    macs, activations = PUBLISHED[name]
    known = zoo.describe(name)
    assert known.macs
    assert known.activations
    assert 0.96 * macs - 0.005 < known.macs / 1e9 < macs + 0.006
    assert known.activations / 1e6 == pytest.approx(activations, abs=0.006)


def test_accuracies_are_those_that_timm_publishes() -> None:
    known = zoo.describe(zoo.list_models(module=peers.FAMILIES, pretrained=True))
    assert sum(bool(one.results) for one in known) == 173  # of them all but what has no ImageNet-1k classes
    best = known.select(sort="top1")[0]
    assert (best.name, best.top1) == ("seresnextaa201d_32x8d.sw_in12k_ft_in1k_384", 87.304)
    assert [(one.image_size, one.top1, one.top5) for one in zoo.describe("resnet50.a1_in1k").results] == [
        (224, 80.382, 94.598),
        (288, 81.24, 95.112),
    ]


@pytest.mark.peers
@pytest.mark.heavy
@pytest.mark.parametrize("name", LIKE_TIMM)
def test_maps_are_what_timm_itself_says(name: str) -> None:
    import timm

    with torch.device("meta"):
        net = timm.create_model(name)
    info = net.feature_info
    rows = [(row["num_chs"], row["reduction"], row["module"]) for row in getattr(info, "info", info)]
    known = zoo.describe(name)
    assert maps(known) == rows
    assert known.parameters is not None
    if known.num_classes == 1000:
        assert known.parameters == sum(parameter.numel() for parameter in net.parameters())
