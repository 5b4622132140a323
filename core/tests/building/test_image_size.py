"""Networks for images of one size: where the size comes from, and what the model says of it."""

import dataclasses
from pathlib import Path

import pytest
import torch
import zoo_core
from tiny import TinyTokens
from torch import Tensor, nn
from zoo_core.building.build import build_model_with_cfg
from zoo_core.config import PretrainedCfg


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    img_size: int | tuple[int, int] = 8


class Fixed(TinyTokens):
    """With an embedding of positions that fits one size."""

    def __init__(self, cfg: Config = Config(), *, num_classes: int = 5) -> None:
        super().__init__(num_classes=num_classes)
        size = cfg.img_size
        self.img_size = (size, size) if isinstance(size, int) else tuple(size)
        self.positions = nn.Parameter(torch.randn(3, *self.img_size))

    def forward_stages(self, x: Tensor, taps: list[int], last: int) -> tuple[Tensor, list[Tensor]]:
        return super().forward_stages(x + self.positions, taps, last)


CFG = PretrainedCfg(architecture="fixed", input_size=(3, 24, 16), fixed_input_size=True)


def build(default_cfg: PretrainedCfg | None = CFG, **options: object) -> nn.Module:
    return build_model_with_cfg(Fixed, "fixed", False, default_cfg, Config(), **options)


def test_the_size_of_the_default_config_reaches_the_network() -> None:
    net = build()
    assert net.img_size == (24, 16)
    assert (net.pretrained_cfg.input_size, net.pretrained_cfg.pool_size) == ((3, 24, 16), (6, 4))


@pytest.mark.parametrize(("given", "size"), [(32, (32, 32)), ((8, 16), (8, 16))])
@pytest.mark.parametrize("features_only", [False, True])
def test_the_callers_size_counts_for_more_and_the_model_says_so(given, size, features_only) -> None:
    net = build(img_size=given, features_only=features_only)
    assert net.img_size == size
    assert net.pretrained_cfg.input_size == (3, *size)
    assert net.pretrained_cfg.pool_size == (size[0] // 4, size[1] // 4)


@pytest.mark.parametrize("cfg", [None, PretrainedCfg(input_size=(3, 24, 16))])
def test_a_size_that_is_not_fixed_is_the_architectures(cfg: PretrainedCfg | None) -> None:
    net = build(cfg)
    assert net.img_size == (8, 8)
    assert net.pretrained_cfg.input_size == (cfg or PretrainedCfg()).input_size


@pytest.mark.parametrize("given", [None, 32, (8, 16)])
def test_a_saved_model_comes_back_in_its_size(given: object, tmp_path: Path, registrations: None) -> None:
    zoo_core.register_model(
        lambda pretrained=False, **options: build_model_with_cfg(Fixed, "fixed", pretrained, CFG, Config(), **options),
        name="fixed",
    )
    net = zoo_core.create_model("fixed", **({} if given is None else {"img_size": given}))
    zoo_core.save_for_hub(net, tmp_path / "saved")
    again = zoo_core.create_model(f"local-dir:{tmp_path / 'saved'}", pretrained=True)
    assert again.img_size == net.img_size
    assert again.pretrained_cfg.input_size == net.pretrained_cfg.input_size
    assert torch.equal(again.positions, net.positions)
