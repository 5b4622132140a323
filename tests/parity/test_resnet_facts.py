"""The ResNet family's tables against the facts, which were read off timm 1.0.31."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from zoo_core.network.infer import completed
from zoo_resnet import FAMILY

FACTS = Path(__file__).parents[1] / "facts"
ARCHITECTURES = {
    name: facts
    for name, facts in json.loads((FACTS / "architectures.json").read_text()).items()
    if facts["family"] == "resnet"
}
PRETRAINED = {
    name: facts
    for name, facts in json.loads((FACTS / "pretrained.json").read_text()).items()
    if name.partition(".")[0] in ARCHITECTURES
}
OURS_ALONE = {"resnext101_32x48d"}
OWN_TAGS = {"test_resnet.digits", "resnext101_32x48d.fb_wsl_ig1b_ft_in1k"}


def test_the_architectures_are_those_of_the_facts() -> None:
    assert len(ARCHITECTURES) == 81
    assert set(FAMILY.architectures) == set(ARCHITECTURES) | OURS_ALONE


def test_the_tags_are_those_of_the_facts() -> None:
    assert {name for name, cfg in FAMILY.pretrained.items() if cfg.has_weights} == set(PRETRAINED) | OWN_TAGS


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_sizes_and_maps_equal_the_facts(name: str) -> None:
    facts = ARCHITECTURES[name]
    with torch.device("meta"):
        net = FAMILY.constructor(name)(num_classes=1000)
    assert sum(parameter.numel() for parameter in net.parameters()) == facts["parameters"]
    assert (net.num_features, net.head_hidden_size) == (facts["num_features"], facts["head_hidden_size"])
    assert [entry["num_chs"] for entry in net.feature_info] == facts["features"]["channels"]
    assert [entry["reduction"] for entry in net.feature_info] == facts["features"]["reduction"]
    assert [entry["module"] for entry in net.feature_info] == facts["features"]["module"]


@pytest.mark.parametrize("architecture", sorted({name.partition(".")[0] for name in PRETRAINED}))
def test_default_configs_equal_the_facts_field_by_field(architecture: str) -> None:
    with torch.device("meta"):
        net = FAMILY.network_class(FAMILY.architectures[architecture])
    for name in (name for name in PRETRAINED if name.partition(".")[0] == architecture):
        cfg = FAMILY.pretrained[name]
        fields = json.loads(json.dumps(completed(net, cfg).to_dict()))
        ours = ("label_offset", "notes")  # fields of which the facts say nothing
        stated = {key: value for key, value in fields.items() if value is not None and key not in ours}
        assert stated == PRETRAINED[name], name
