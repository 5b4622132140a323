"""``zoo new --from`` on networks of strangers: they conform, or are refused with the reason."""

from __future__ import annotations

import runpy
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from zoo_core.cli.main import main
from zoo_kit.scaffold.write import importable

if TYPE_CHECKING:
    from collections.abc import Callable

FILE = Path(__file__).with_name("strangers.py")
CLASSES = runpy.run_path(str(FILE))
KINDS = ("ConvNeXt", "RegNet", "ViT")
"""Of `CONFORMING`, one of each kind of maps."""
CONFORMING = (
    "Vgg",
    "PlainSequential",
    "ConvNeXt",
    "ViT",
    "PooledViT",
    "Mixer",
    "RegNet",
    "GroupNormed",
    "SharedModules",
    "FixedSize",
    "Grey",
    "Dense",
    "Mobile",
)


def write(source: str, folder: Path) -> int:
    return main(["new", "stranger", "--from", source, "--directory", str(folder)])


@pytest.fixture(scope="module")
def same(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[torch.Tensor]]:
    """Write a plugin around a stranger, once, which conforms and gives the same logits; return its
    maps."""

    @cache
    def same(name: str) -> list[torch.Tensor]:
        folder = tmp_path_factory.mktemp(name)
        assert write(f"{FILE}:{name}", folder) == 0
        with importable(folder / "zoo-stranger/src", "zoo_stranger"):
            import zoo_stranger

            net = zoo_stranger.stranger_tiny()
        original = CLASSES[name]()
        net.load_state_dict(original.state_dict())
        images = torch.randn(2, net.in_chans, *net.plan.image_size)
        for training in (True, False):
            torch.manual_seed(0)
            wanted = original.train(training)(images)
            torch.manual_seed(0)
            torch.testing.assert_close(net.train(training)(images), wanted)
        maps: list[torch.Tensor] = net.forward_intermediates(images, intermediates_only=True)
        return maps

    return same


@pytest.mark.heavy
def test_maps_of_channels_last_become_those_of_zoo(same: Callable[[str], list[torch.Tensor]]) -> None:
    assert [tuple(found.shape) for found in same("Swin")] == [(2, 16, 16, 16), (2, 32, 8, 8), (2, 64, 4, 4)]


@pytest.mark.heavy
def test_patches_become_a_map_and_the_class_token_stays_beside_it(same: Callable[[str], list[torch.Tensor]]) -> None:
    assert [tuple(found.shape) for found in same("ViT")] == [(2, 32, 4, 4)]


@pytest.mark.heavy
def test_layers_that_work_in_place_can_be_recomputed(same: Callable[[str], list[torch.Tensor]]) -> None:
    assert len(same("InPlaceStages")) == 3


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.heavy if name in KINDS else pytest.mark.exhaustive) for name in CONFORMING],
)
def test_it_conforms_at_once(name: str, same: Callable[[str], list[torch.Tensor]]) -> None:
    assert all(found.ndim == 4 for found in same(name))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("UNet", "UNet returns a map of shape (2, 2, 224, 224), a score for each pixel"),
        ("TwoInputs", "the forward of TwoInputs takes 2 inputs (left, right)"),
        ("TwoHeads", "TwoHeads returns a tuple of 2. Return one tensor of logits"),
        ("DictOutput", "DictOutput returns a dict of 'features', 'logits'"),
        ("Convolutional", "Convolutional is not a convolutional network that ends with a linear layer"),
        ("WeightNormed", "parametrized modules (conv1), which PyTorch can neither copy nor pickle"),
        ("Recurrent", "Recurrent has no convolution"),
        ("Broken", "RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x8 and 9x2)"),
    ],
)
def test_the_true_reason_is_said(name: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert write(f"{FILE}:{name}", tmp_path) == 2
    assert reason in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_conform_is_said_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert write(f"{FILE}:Auxiliary", tmp_path) == 1
    said = capsys.readouterr().out
    assert "18 files, which do not conform yet" in said
    assert "no gradient reaches aux.weight, aux.bias" in said
    assert "remedy: use every parameter in forward, or do not create it" in said
