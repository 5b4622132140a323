"""Norms by name."""

from __future__ import annotations

import pytest
import torch
from zoo_core.layers import get_norm_layer

IMAGES = torch.randn(2, 8, 12, 12)


@pytest.mark.parametrize("name", ["batchnorm", "batchnorm2d", "groupnorm1", "layernorm2d", "iabn"])
def test_norms_by_name(name: str) -> None:
    norm = get_norm_layer(name)(8)
    assert norm(IMAGES).shape == IMAGES.shape
    assert norm.weight.shape == (8,)


def test_layer_norm_normalises_each_pixel() -> None:
    out = get_norm_layer("layernorm2d")(8)(IMAGES)
    torch.testing.assert_close(out.mean(dim=1), torch.zeros(2, 12, 12), atol=1e-5, rtol=0)
