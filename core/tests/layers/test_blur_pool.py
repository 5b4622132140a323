"""Anti-aliased downsampling."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from zoo_core.layers import BlurPool2d, create_aa

IMAGES = torch.randn(2, 8, 12, 12)


@pytest.mark.parametrize("filt_size", [2, 3, 4, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_blurring_keeps_a_constant_and_halves_the_size(filt_size: int, stride: int) -> None:
    blur = BlurPool2d(8, filt_size=filt_size, stride=stride)
    out = blur(torch.full((1, 8, 12, 12), 3.0))
    torch.testing.assert_close(out, torch.full_like(out, 3.0))
    if filt_size % 2:
        assert out.shape[-1] == 12 // stride
    assert blur.state_dict() == {}


def test_a_blur_made_on_the_meta_device_is_filled_afterwards() -> None:
    with torch.device("meta"):
        blur = BlurPool2d(4)
    blur = blur.to_empty(device="cpu")
    blur.reset_parameters()
    assert torch.equal(blur.filt, BlurPool2d(4).filt)


def test_anti_aliasing_layers_subsample() -> None:
    for aa in ("avg", "blur", nn.AvgPool2d, BlurPool2d):
        assert create_aa(aa, 8, 2)(IMAGES).shape == (2, 8, 6, 6)
    assert isinstance(create_aa(None, 8), nn.Identity)
