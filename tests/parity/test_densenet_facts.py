"""The DenseNet family's tables against the facts, which were read off timm 1.0.31."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from zoo_core.network.infer import completed
from zoo_densenet import FAMILY

FACTS = Path(__file__).parents[1] / "facts"
ARCHITECTURES = {
    name: facts
    for name, facts in json.loads((FACTS / "architectures.json").read_text()).items()
    if facts["family"] == "densenet"
}
PRETRAINED = {
    name: facts
    for name, facts in json.loads((FACTS / "pretrained.json").read_text()).items()
    if name.partition(".")[0] in ARCHITECTURES
}
EXTRA = {
    name: facts
    for name, facts in json.loads((FACTS / "extra.json").read_text())["architectures"].items()
    if facts["family"] == "densenet"
}


def test_the_architectures_and_tags_are_those_of_the_facts() -> None:
    assert set(FAMILY.architectures) == {*ARCHITECTURES, *EXTRA, "test_densenet"}
    assert {name for name, cfg in FAMILY.pretrained.items() if cfg.has_weights} == {*PRETRAINED, "test_densenet.digits"}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_sizes_and_maps_equal_the_facts(name: str) -> None:
    facts = ARCHITECTURES[name]
    with torch.device("meta"):
        net = FAMILY.constructor(name)()
    assert sum(parameter.numel() for parameter in net.parameters()) == facts["parameters"]
    assert (net.num_features, net.head_hidden_size) == (facts["num_features"], facts["head_hidden_size"])
    assert [entry["num_chs"] for entry in net.feature_info] == facts["features"]["channels"]
    assert [entry["reduction"] for entry in net.feature_info] == facts["features"]["reduction"]
    assert [entry["module"] for entry in net.feature_info] == facts["features"]["module"]


@pytest.mark.parametrize("name", EXTRA)
def test_the_extras_are_what_the_facts_say(name: str) -> None:
    facts, cfg = EXTRA[name], FAMILY.architectures[name]
    assert (cfg.growth_rate, list(cfg.block_config)) == (facts["growth_rate"], facts["block_config"])
    assert cfg.stem_type == {"plain": "", "deep": "deep"}[facts["stem"]]
    assert (cfg.norm_layer == "iabn") == ("norm" in facts)


@pytest.mark.parametrize("name", PRETRAINED)
def test_default_configs_equal_the_facts_field_by_field(name: str) -> None:
    with torch.device("meta"):
        net = FAMILY.network_class(FAMILY.architectures[name.partition(".")[0]])
    cfg = FAMILY.pretrained[name]
    fields = json.loads(json.dumps(completed(net, cfg).to_dict()))
    stated = {key: value for key, value in fields.items() if value is not None and key != "label_offset"}
    assert stated == PRETRAINED[name]
