"""A model saved as a repository, and pushed to the Hub."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import zoo_core as zoo
from safetensors.torch import load_file
from tiny import TinyConfig, TinyNet
from weight_server import Server
from zoo_core.building.build import build_model_with_cfg
from zoo_core.config import PretrainedCfg
from zoo_core.errors import WeightsError
from zoo_core.weights.fetch import fetch_weights
from zoo_core.weights.hub.hub_config import read_hub_config
from zoo_core.weights.hub.repository import push_to_hub, save_for_hub


def tiny(num_classes: int = 5, in_chans: int = 3) -> TinyNet:
    net = TinyNet(TinyConfig(), num_classes=num_classes, in_chans=in_chans)
    first = next(name for name, module in net.named_modules() if isinstance(module, torch.nn.Conv2d))
    net.pretrained_cfg = PretrainedCfg(
        architecture="tiny", tag="old", url="https://elsewhere.example/x.pth", num_classes=10, first_conv=first,
        input_size=(3, 32, 32), mean=(0.1, 0.2, 0.3), label_names=("a",) * 10, license="mit", metrics={"accuracy": 0.9},
    ).to_dict()  # fmt: skip
    return net


def test_a_saved_model_is_read_as_it_is_now(tmp_path: Path) -> None:
    net = tiny(num_classes=5, in_chans=1)
    save_for_hub(net, tmp_path / "new" / "folder", model_args={"widths": [4, 6, 8]})
    model = read_hub_config(f"local-dir:{tmp_path}/new/folder")
    cfg = model.pretrained_cfg
    assert (model.architecture, cfg.num_classes, cfg.input_size) == ("tiny", 5, (1, 32, 32))
    assert cfg.license is None, "the licence of other weights"
    assert cfg.mean == pytest.approx((0.2,))
    assert cfg.label_names is None, "names of classes that are gone"
    assert model.model_args == {"widths": [4, 6, 8], "in_chans": 1}
    state_dict = load_file(fetch_weights(cfg))
    assert state_dict.keys() == net.state_dict().keys()
    assert all(torch.equal(tensor, state_dict[name]) for name, tensor in net.state_dict().items())


class Focus(TinyNet):
    """Space to depth first: its convolution sees each channel of the images four times."""

    def __init__(self, cfg: TinyConfig, *, num_classes: int = 5, in_chans: int = 3) -> None:
        super().__init__(cfg, num_classes=num_classes, in_chans=4 * in_chans)

    def forward_stages(self, x, taps, last):
        return super().forward_stages(torch.nn.functional.pixel_unshuffle(x, 2), taps, last)


@pytest.mark.parametrize("in_chans", [3, 4])
def test_a_stem_that_reshapes_the_images_is_saved_with_the_images_channels(
    local: Any, tmp_path: Path, in_chans: int
) -> None:
    @zoo.register_model
    def focus(pretrained: bool = False, **options: Any) -> torch.nn.Module:
        return build_model_with_cfg(Focus, "focus", pretrained, model_cfg=TinyConfig(), **options)

    net = zoo.create_model("focus", in_chans=in_chans)
    save_for_hub(net, tmp_path / "as-made")
    again = zoo.create_model(f"local-dir:{tmp_path}/as-made", pretrained=True)
    assert again.pretrained_cfg["input_size"][0] == in_chans
    images = torch.rand(1, in_chans, 16, 16)
    assert torch.equal(net.eval()(images), again.eval()(images))
    net.stem = torch.nn.Conv2d(24, net.stem.out_channels, 3)  # by hand, for six channels
    save_for_hub(net, tmp_path / "changed")
    cfg = read_hub_config(f"local-dir:{tmp_path}/changed").pretrained_cfg
    assert cfg.input_size[0] == 6


def test_a_published_size_of_the_last_maps_is_kept_while_it_is_true(local: Any, tmp_path: Path) -> None:
    """Without padding, it is none that follows from the reduction."""

    @zoo.register_model(pretrained={"old": PretrainedCfg(input_size=(3, 32, 32), pool_size=(3, 3))})
    def valid(pretrained: bool = False, **options: Any) -> torch.nn.Module:
        return build_model_with_cfg(TinyNet, "valid", pretrained, model_cfg=TinyConfig(), **options)

    def saved(options: dict[str, Any], **details: Any) -> tuple[int, int] | None:
        save_for_hub(zoo.create_model("valid", **options), tmp_path, **details)
        return read_hub_config(f"local-dir:{tmp_path}").pretrained_cfg.pool_size

    assert saved({"num_classes": 7, "in_chans": 1}) == (3, 3)
    assert saved({"widths": (4, 4, 4)}) == (4, 4)
    assert saved({}, input_size=(64, 48)) == (8, 6)


def test_a_model_without_a_name_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="without an architecture"):
        save_for_hub(torch.nn.Linear(1, 1), tmp_path)


def test_a_pushed_model_is_a_repository(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    net = tiny()
    address = push_to_hub(net, "org/tiny", token="hf_secret")
    assert address.startswith(server.url)
    server.add_repository("org/tiny", server.commits["org/tiny"])
    cfg = read_hub_config("hf-hub:org/tiny").pretrained_cfg
    assert load_file(fetch_weights(cfg)).keys() == net.state_dict().keys()


def test_pushing_needs_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(WeightsError, match=r"pip install 'zoo-core\[hub\]'"):
        push_to_hub(tiny(), "org/tiny")
