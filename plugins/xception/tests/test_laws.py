"""Laws of the families' names and tables."""

from __future__ import annotations

import re
import subprocess
import sys
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
def test_every_tag_has_an_architecture_and_a_place_for_its_weights(family: Family) -> None:
    assert {name.partition(".")[0] for name in family.pretrained} == set(family.architectures)
    assert all(cfg.has_weights for cfg in family.pretrained.values())


def test_default_tags_are_the_published_ones() -> None:
    assert FAMILY.default_cfg("xception65").tag == "ra3_in1k"
    assert FAMILY.default_cfg("xception41").tag == LEGACY.default_cfg("xception").tag == "tf_in1k"


def test_every_architecture_is_a_constructor_of_the_package() -> None:
    assert {*FAMILY.architectures, *LEGACY.architectures} <= set(dir(zoo_xception))
    assert zoo_xception.xception is zoo_xception.legacy.xception
    assert zoo_xception.xception65.__name__ == "xception65"
    with pytest.raises(AttributeError, match="xception56"):
        zoo_xception.xception56  # noqa: B018 - reading it is the test


def test_importing_the_package_imports_no_torch() -> None:
    program = "import sys, zoo_xception; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_manifest_and_stub_are_up_to_date() -> None:
    from zoo_kit.manifest.write import write_manifest

    assert write_manifest("zoo_xception", check=True) == [], "run: zoo manifest zoo_xception"
