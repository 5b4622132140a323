"""Feature maps of image files, through a model that the test registers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
import zoo_images
from PIL import Image
from torch import nn
from zoo_core import build_model_with_cfg, registry
from zoo_core.config import PretrainedCfg
from zoo_core.discovery.registered import LocalPlugin
from zoo_core.errors import ImageError, UnknownModelError, WeightsError

if TYPE_CHECKING:
    from pathlib import Path


class Net(nn.Module):
    """Two convolutions and a classifier, for images of 16 x 16."""

    def __init__(self, cfg: None = None, *, num_classes: int = 5, in_chans: int = 3) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.stem = nn.Conv2d(in_chans, 4, 3, stride=2, padding=1)
        self.stage = nn.Conv2d(4, 8, 3, stride=2, padding=1)
        self.fc = nn.Linear(8, num_classes) if num_classes else nn.Identity()
        self.feature_info = [
            {"num_chs": 4, "reduction": 2, "module": "stem"},
            {"num_chs": 8, "reduction": 4, "module": "stage"},
        ]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.stage(self.stem(x)).mean((2, 3)))


def images_net(pretrained: bool = False, **options: Any) -> nn.Module:
    cfg = PretrainedCfg(input_size=(3, 16, 16), num_classes=5)
    return build_model_with_cfg(Net, "images_net", pretrained, pretrained_cfg=cfg, **options)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the network, and forget it after the test."""
    monkeypatch.setattr(registry, "_local", LocalPlugin())
    monkeypatch.setattr(registry, "_index", None)
    registry.register_model(images_net)


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    paths = [tmp_path / f"{colour}.png" for colour in ("red", "blue")]
    for path in paths:
        Image.new("RGB", (40, 30), path.stem).save(path)
    return [str(path) for path in paths]


def test_maps_come_in_the_order_of_the_images(photos: list[str]) -> None:
    both = zoo_images.extract_maps("images_net", photos, random=True)
    assert [tuple(maps.shape) for maps in both.maps] == [(2, 4, 8, 8), (2, 8, 4, 4)]
    for number, photo in enumerate(photos):
        alone = zoo_images.extract_maps("images_net", [photo], random=True)
        for maps, one in zip(both.maps, alone.maps, strict=True):
            assert torch.equal(maps[number : number + 1], one)


def test_some_maps_of_another_image_size(photos: list[str]) -> None:
    found = zoo_images.extract_maps("images_net", photos, out_indices=[1], random=True, input_size=(32, 24))
    ((index, info, maps),) = found.rows()
    assert (index, info["module"], tuple(maps.shape)) == (1, "stage", (2, 8, 8, 6))
    assert [image.size for image in found.inputs] == [(24, 32)] * 2


def test_the_title_names_model_weights_and_images(photos: list[str]) -> None:
    assert zoo_images.extract_maps("images_net", photos, random=True).title() == (
        "images_net (random weights): feature maps of 2 images"
    )
    assert zoo_images.extract_maps("images_net", photos[:1], random=True).title().endswith("feature maps of red.png")


def test_mistakes_are_errors_of_zoo(photos: list[str]) -> None:
    with pytest.raises(UnknownModelError, match="no_such_net"):
        zoo_images.extract_maps("no_such_net", photos)
    with pytest.raises(WeightsError, match="images_net"):
        zoo_images.extract_maps("images_net", photos)
    with pytest.raises(ImageError, match=r"missing\.png"):
        zoo_images.extract_maps("no_such_net", ["missing.png"])


def test_the_config_of_a_model_says_how_to_prepare_its_images(photos: list[str]) -> None:
    cfg = zoo_images.config_of(images_net())
    assert zoo_images.load_images(photos, cfg).shape == (2, 3, 16, 16)
    assert zoo_images.config_of(images_net(), (20, 24)).input_size == (3, 20, 24)
