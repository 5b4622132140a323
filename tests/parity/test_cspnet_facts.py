"""The tables of the cross stage partial networks against the facts, which were read off timm
1.0.31."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from comparison import architecture_facts, assert_config_is_as_stated, assert_network_is_as_stated, pretrained_facts
from zoo_cspnet import FAMILY

ARCHITECTURES, PRETRAINED = architecture_facts("cspnet"), pretrained_facts("cspnet")
OURS_ALONE = {"cspresnext50_iabn", "cspdarknet53_iabn", "test_cspnet"}


def corrected(name: str, facts: dict[str, Any]) -> dict[str, Any]:
    """timm leaves out sedarknet21's last map, which its siblings have."""
    if name != "sedarknet21":
        return facts
    return {**facts, "features": ARCHITECTURES["darknet21"]["features"]}


def test_the_architectures_and_tags_are_those_of_the_facts() -> None:
    assert len(ARCHITECTURES) == 23
    assert set(FAMILY.architectures) == set(ARCHITECTURES) | OURS_ALONE
    assert {name for name, cfg in FAMILY.pretrained.items() if cfg.has_weights} == {*PRETRAINED, "test_cspnet.digits"}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_sizes_and_maps_equal_the_facts(name: str) -> None:
    with torch.device("meta"):
        net = FAMILY.network_class(FAMILY.architectures[name])
    assert_network_is_as_stated(net, corrected(name, ARCHITECTURES[name]))


@pytest.mark.parametrize("name", PRETRAINED)
def test_default_configs_equal_the_facts_field_by_field(name: str) -> None:
    assert_config_is_as_stated(FAMILY, name, PRETRAINED[name])


@pytest.mark.parametrize("name", ["cspresnext50", "cspdarknet53"])
def test_in_place_activated_batch_norm_changes_no_name_or_shape(name: str) -> None:
    with torch.device("meta"):
        plain, inplace = (FAMILY.network_class(FAMILY.architectures[each]) for each in (name, f"{name}_iabn"))
    assert [(key, value.shape) for key, value in inplace.state_dict().items()] == [
        (key, value.shape) for key, value in plain.state_dict().items()
    ]
