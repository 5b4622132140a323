"""Laws of the family's names and tables."""

from __future__ import annotations

import re

import pytest
from zoo_core.names import natural_sort
from zoo_cspnet import FAMILY

NUMBERED = [name for name in FAMILY.architectures if re.search(r"darknet(aa)?\d", name)]
SIZES = "smlx"


@pytest.mark.parametrize("name", [name for name in NUMBERED if not name.startswith("csp")])
def test_the_number_in_a_darknets_name_counts_its_layers(name: str) -> None:
    config = FAMILY.architectures[name]
    stem, classifier, subsampling, in_a_block = 1, 1, len(config.depth), 2
    assert int(re.search(r"\d+", name)[0]) == stem + subsampling + in_a_block * sum(config.depth) + classifier


def test_a_cross_stage_darknet_has_the_blocks_of_its_namesake() -> None:
    assert FAMILY.architectures["cspdarknet53"].depth == FAMILY.architectures["darknet53"].depth


@pytest.mark.parametrize("prefix", ["cs3darknet_", "cs3darknet_focus_"])
def test_sizes_grow_in_width_and_depth(prefix: str) -> None:
    configs = [FAMILY.architectures[prefix + size] for size in SIZES]
    assert [config.out_chs[-1] for config in configs] == [512, 768, 1024, 1280]
    assert sorted(configs, key=lambda config: sum(config.depth)) == configs


def test_names_sort_by_depth() -> None:
    ordered = natural_sort(name for name in FAMILY.architectures if re.fullmatch(r"darknet\d+", name))
    assert ordered == ["darknet17", "darknet21", "darknet53"]


def test_every_tag_has_a_place_for_its_weights() -> None:
    for name, cfg in FAMILY.pretrained.items():
        assert cfg.has_weights == ("." in name), name


def test_a_file_hash_stands_in_every_released_files_name() -> None:
    for name, cfg in FAMILY.pretrained.items():
        assert not (cfg.url or "").startswith("https") or re.search(r"-[0-9a-f]{8}\.pth$", cfg.url), name
