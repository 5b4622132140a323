"""The commands with a plugin of the short form: one plain module, without default config or
weights."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.effect_noise((40, 30), 80).save(path)
    return path


def test_info_builds_it(zoo) -> None:
    result = zoo("info", "tinynet", "--input-size", "16x32", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    described = json.loads(result.stdout)
    assert described["distribution"] == "zoo-tiny"
    assert described["config"] is None, "its plugin publishes none"
    assert described["network"]["parameters"] == (27 + 1) * 4 + (36 + 1) * 8
    assert described["network"]["feature_maps"] == [
        {"module": "conv1", "channels": 4, "reduction": 2, "height": 8, "width": 16},
        {"module": "conv2", "channels": 8, "reduction": 4, "height": 4, "width": 8},
    ]


def test_info_tells_the_maps_of_a_size_alone_and_builds_nothing_unasked(zoo) -> None:
    lines = zoo("info", "tinynet", "--input-size", "64").stdout.splitlines()
    assert "408 parameters; feature maps of a 3 x 64 x 64 input" in lines
    assert lines[-1].split() == ["1", "conv2", "8", "4", "16", "x", "16"]
    assert "parameters" not in zoo("info", "tinynet").stdout


def test_features_of_random_weights(zoo, photo: Path, tmp_path: Path) -> None:
    picture = tmp_path / "maps.png"
    result = zoo("features", "tinynet", photo, "--random", "--input-size", 32, "--save", picture)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[0] == "tinynet (random weights): feature maps of photo.png"
    assert [line.split()[:7] for line in result.stdout.splitlines()[2:4]] == [
        ["0", "conv1", "4", "2", "16", "x", "16"],
        ["1", "conv2", "8", "4", "8", "x", "8"],
    ]
    assert picture.is_file()


def test_without_weights_the_remedy_is_said(zoo, photo: Path) -> None:
    result = zoo("features", "tinynet", photo)
    assert result.returncode == 2
    assert "there are no pretrained weights for tinynet" in result.stderr
    assert "--random" in result.stderr
