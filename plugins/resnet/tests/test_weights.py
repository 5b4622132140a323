"""Published names find and load their weights, with no network to fetch them from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file
from zoo_core.errors import WeightsError
from zoo_resnet import FAMILY, resnet18
from zoo_resnet import test_resnet as tiny

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Hub cache, and no way out."""
    for name in ("HF_HUB_CACHE", "TORCH_HOME", "ZOO_CACHE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path


def put_in_hub_cache(cache: Path, repository: str, state: dict[str, torch.Tensor]) -> None:
    folder = cache / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    (folder / "snapshots" / COMMIT).mkdir(parents=True)
    save_file(state, folder / "snapshots" / COMMIT / "model.safetensors")


def test_a_published_name_loads_from_the_hub_cache(offline: Path) -> None:
    source = resnet18()
    put_in_hub_cache(offline, "timm/resnet18.a1_in1k", source.state_dict())
    net = resnet18(pretrained=True)
    assert net.default_cfg["tag"] == "a1_in1k"
    assert all(torch.equal(value, source.state_dict()[key]) for key, value in net.state_dict().items())


def test_loaded_weights_fit_other_channels_and_classes(offline: Path) -> None:
    source = resnet18()
    put_in_hub_cache(offline, "timm/resnet18.a1_in1k", source.state_dict())
    net = resnet18(pretrained=True, in_chans=1, num_classes=4)
    torch.testing.assert_close(net.conv1.weight, source.conv1.weight.sum(dim=1, keepdim=True))
    assert net.fc.weight.shape == (4, 512)
    assert torch.equal(net.layer4[1].conv2.weight, source.layer4[1].conv2.weight)


def test_absent_weights_say_so(offline: Path) -> None:
    with pytest.raises(WeightsError, match=r"resnet18\.a1_in1k"):
        resnet18(pretrained=True)


def test_the_packages_own_weights_load() -> None:
    net = tiny(pretrained=True)
    assert net.num_classes == 10
    assert net.default_cfg["tag"] == "digits"


def test_every_tag_says_where_its_weights_are() -> None:
    for name, cfg in FAMILY.pretrained.items():
        assert cfg.has_weights == ("." in name), name
