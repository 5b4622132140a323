"""Every architecture of the family: its name, and how it differs from densenet121.

Densely Connected Convolutional Networks, https://arxiv.org/abs/1608.06993; the depth in a name
counts its convolutions and its linear layer, a deep stem as one. (The paper's own 264 has one more.
Its growth rate here is that of the published implementation, 48, not the paper's 32.)
"""

from __future__ import annotations

from dataclasses import replace

from zoo_densenet.config import DenseNetConfig


def d(cfg: DenseNetConfig) -> DenseNetConfig:
    """With a deep stem: three 3x3 convolutions for the 7x7 (https://arxiv.org/abs/1812.01187)."""
    return replace(cfg, stem_type="deep")


def blur(cfg: DenseNetConfig) -> DenseNetConfig:
    """With blur pooling in the stem (https://arxiv.org/abs/1904.11486)."""
    return replace(cfg, aa_layer="blur")


def iabn(cfg: DenseNetConfig) -> DenseNetConfig:
    """In-place activated batch norm (https://arxiv.org/abs/1712.02616), with a leaky ReLU."""
    return replace(cfg, norm_layer="iabn", act_layer="leaky_relu")


_121 = DenseNetConfig(growth_rate=32, block_config=(6, 12, 24, 16))
_264 = DenseNetConfig(growth_rate=48, block_config=(6, 12, 64, 48))

ARCHITECTURES = {
    "densenet121": _121,
    "densenet121d": d(_121),
    "densenet161": DenseNetConfig(growth_rate=48, block_config=(6, 12, 36, 24)),
    "densenet169": DenseNetConfig(growth_rate=32, block_config=(6, 12, 32, 32)),
    "densenet201": DenseNetConfig(growth_rate=32, block_config=(6, 12, 48, 32)),
    "densenet264": _264,
    "densenet264d": d(_264),
    "densenet264d_iabn": iabn(d(_264)),
    "densenetblur121d": blur(d(_121)),
    # Small enough to be trained and shipped with its weights, on digits of 32 x 32 pixels.
    "test_densenet": DenseNetConfig(growth_rate=12, block_config=(2, 2, 3, 3)),
}

ALIASES = {"tv_densenet121": "densenet121.tv_in1k"}
"""Old names, with a deprecation warning."""
