"""Attention layers by name."""

from __future__ import annotations

import pytest
import torch
from zoo_core.layers import EfficientChannelAttention, SqueezeExcite, create_attn
from zoo_core.layers.attention import make_divisible

IMAGES = torch.randn(2, 8, 12, 12)


@pytest.mark.parametrize("name", ["se", "ese", "eca", "ceca", "cbam", "gc"])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_attention_keeps_the_shape(name: str, memory_format: torch.memory_format) -> None:
    attention = create_attn(name, 8)
    images = IMAGES.contiguous(memory_format=memory_format).requires_grad_()
    out = attention(images)
    assert out.shape == IMAGES.shape
    out.sum().backward()
    assert all(parameter.grad is not None for parameter in attention.parameters())


def test_squeeze_excite_scales_channels_between_nothing_and_all() -> None:
    out = SqueezeExcite(8)(IMAGES) / IMAGES
    assert out.std(dim=(2, 3)).max() < 1e-4
    assert out.min() > 0
    assert out.max() < 1


@pytest.mark.parametrize(("channels", "width"), [(16, 3), (64, 3), (256, 5), (2048, 7)])
def test_efficient_channel_attention_reaches_further_in_wider_maps(channels: int, width: int) -> None:
    assert EfficientChannelAttention(channels).conv.weight.shape == (1, 1, width)


@pytest.mark.parametrize(
    ("value", "divisor", "result"), [(4, 8, 8), (16, 8, 16), (20, 8, 24), (19.9, 8, 16), (3, 1, 3)]
)
def test_make_divisible(value: float, divisor: int, result: int) -> None:
    assert make_divisible(value, divisor) == result
