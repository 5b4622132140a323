"""Laws of the family's names and tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from zoo_core.names import natural_sort
from zoo_resnet import FAMILY

if TYPE_CHECKING:
    from zoo_resnet.config import ResNetConfig

# Published names whose number is not the count of the network's layers, and the count.
MISNUMBERED = {"senet154": 152, "resnetrs270": 272, "resnetrs420": 419, "seresnextaa201d_32x8d": 203}
NUMBERED = [name for name in FAMILY.architectures if re.match(r"[a-z_]+\d", name)]


def layers(config: ResNetConfig) -> int:
    """Layers with weights on the longest path, the stem as one and the classifier as one."""
    return 2 + sum(config.layers) * {"basic": 2, "bottleneck": 3}[str(config.block)]


@pytest.mark.parametrize("name", NUMBERED)
def test_the_number_in_a_name_counts_its_layers(name: str) -> None:
    number = int(re.search(r"\d+", name)[0])
    count = layers(FAMILY.architectures[name])
    assert count == MISNUMBERED.get(name, number)
    assert (count != number) == (name in MISNUMBERED)


def test_only_two_names_have_no_number() -> None:
    assert set(FAMILY.architectures) - set(NUMBERED) == {"ecaresnetlight", "test_resnet"}


@pytest.mark.parametrize("name", [name for name in FAMILY.architectures if "_" in name and "x" in name.split("_")[-1]])
def test_groups_and_width_stand_in_a_name(name: str) -> None:
    groups, width = re.search(r"_(\d+)x(\d+)d", name).groups()
    config = FAMILY.architectures[name]
    assert (config.cardinality, config.base_width) == (int(groups), int(width))


def test_names_sort_by_depth() -> None:
    ordered = natural_sort(name for name in FAMILY.architectures if re.fullmatch(r"resnet\d+", name))
    assert ordered == [f"resnet{depth}" for depth in (18, 26, 34, 50, 101, 152, 200)]


def test_every_alias_leads_to_the_network_that_it_was() -> None:
    for old, new in FAMILY.aliases.items():
        assert new in FAMILY.pretrained or new in FAMILY.architectures, old
        numbers = re.findall(r"\d+", old.partition("_v1")[0])
        assert re.findall(r"\d+", new.partition(".")[0]) == numbers, old
        if variant := re.search(r"_v1([cds])$", old):
            assert new.partition(".")[0].endswith(variant[1])
    assert len(FAMILY.aliases) == 43


@pytest.mark.parametrize("width", [8, 16, 32, 48])
def test_instagram_names_lead_to_their_own_widths(width: int) -> None:
    assert FAMILY.aliases[f"ig_resnext101_32x{width}d"] == f"resnext101_32x{width}d.fb_wsl_ig1b_ft_in1k"


@pytest.mark.parametrize(
    ("architecture", "tag"),
    {
        "resnet50": "a1_in1k",
        "resnet101": "a1h_in1k",
        "resnet152d": "ra2_in1k",
        "resnext101_32x8d": "tv_in1k",
        "wide_resnet101_2": "tv_in1k",
        "test_resnet": "digits",
    }.items(),
)
def test_default_tags_are_the_published_ones(architecture: str, tag: str) -> None:
    assert FAMILY.default_cfg(architecture).tag == tag


def test_a_file_hash_stands_in_every_released_files_name() -> None:
    for name, cfg in FAMILY.pretrained.items():
        assert not (cfg.url or "").startswith("https") or re.search(r"-[0-9a-f]{8}\.pth$", cfg.url), name
