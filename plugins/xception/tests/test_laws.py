"""Laws of the families' names and tables."""

from __future__ import annotations

import re
import warnings

import pytest
import zoo_xception
from zoo_core.family import Family
from zoo_xception import FAMILY
from zoo_xception.legacy import FAMILY as LEGACY


@pytest.mark.parametrize("name", [name for name in FAMILY.architectures if name != "test_xception"])
def test_the_number_in_a_name_counts_its_layers(name: str) -> None:
    config = FAMILY.architectures[name]
    stem, in_a_block = 2, 3
    blocks = len(config.entry) + config.middle + len(config.exit)
    assert int(re.search(r"\d+", name)[0]) == stem + in_a_block * blocks


def test_the_first_name_is_an_architecture_of_its_own_and_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        zoo_xception.xception  # noqa: B018 - reading it is the test
    assert LEGACY.aliases == FAMILY.aliases == {}


@pytest.mark.parametrize("family", [FAMILY, LEGACY], ids=["aligned", "legacy"])
def test_every_tag_has_a_place_for_its_weights(family: Family) -> None:
    assert all(cfg.has_weights for cfg in family.pretrained.values())


def test_the_package_has_both_families_constructors() -> None:
    assert {*FAMILY.architectures, *LEGACY.architectures} <= set(dir(zoo_xception))
    assert zoo_xception.xception is zoo_xception.legacy.xception


def test_default_tags_are_the_published_ones() -> None:
    assert FAMILY.default_cfg("xception65").tag == "ra3_in1k"
    assert FAMILY.default_cfg("xception41").tag == LEGACY.default_cfg("xception").tag == "tf_in1k"
