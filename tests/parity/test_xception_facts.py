"""The tables of the Xceptions against the facts, which were read off timm 1.0.31."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from comparison import architecture_facts, assert_config_is_as_stated, assert_network_is_as_stated, pretrained_facts
from zoo_xception import FAMILY
from zoo_xception.legacy import FAMILY as LEGACY

if TYPE_CHECKING:
    from zoo_core.family import Family

ARCHITECTURES, PRETRAINED = architecture_facts("xception"), pretrained_facts("xception")
FIRST_NAME = "xception"


def family_of(name: str) -> Family:
    return LEGACY if name.partition(".")[0] in LEGACY.architectures else FAMILY


def test_the_architectures_and_tags_are_those_of_the_facts() -> None:
    assert len(ARCHITECTURES) == 6
    assert {*FAMILY.architectures, *LEGACY.architectures} == {*ARCHITECTURES, FIRST_NAME, "test_xception"}
    own = {"test_xception.digits", f"{FIRST_NAME}.tf_in1k"}
    assert {*FAMILY.pretrained, *LEGACY.pretrained} == {*PRETRAINED, *own}


@pytest.mark.parametrize("name", [*ARCHITECTURES, FIRST_NAME])
def test_sizes_and_maps_equal_the_facts(name: str) -> None:
    family = family_of(name)
    with torch.device("meta"):
        net = family.network_class(family.architectures[name])
    assert_network_is_as_stated(net, ARCHITECTURES["legacy_xception" if name == FIRST_NAME else name])


@pytest.mark.parametrize("name", PRETRAINED)
def test_default_configs_equal_the_facts_field_by_field(name: str) -> None:
    assert_config_is_as_stated(family_of(name), name, PRETRAINED[name])


def test_the_first_name_has_the_same_weights() -> None:
    assert LEGACY.pretrained["xception.tf_in1k"] == LEGACY.pretrained["legacy_xception.tf_in1k"]
