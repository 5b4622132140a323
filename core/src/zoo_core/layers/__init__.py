"""Layers that more than one family uses: one subject a file, each with its paper.

An option that names a layer (``act_layer``, ``norm_layer``, ``aa_layer``, ``attn_layer``) takes a name or a class; the
``get_*`` function of its file resolves it, and the ``create_*`` function makes one.
"""

from zoo_core.layers.activation import create_act, get_act_layer
from zoo_core.layers.attention import (
    EfficientChannelAttention,
    SqueezeExcite,
    create_attn,
    get_attn,
    make_divisible,
)
from zoo_core.layers.blur_pool import BlurPool2d, create_aa, get_aa_layer
from zoo_core.layers.classifier import create_classifier
from zoo_core.layers.drop import DropBlock2d, DropPath, drop_path_rates
from zoo_core.layers.norm import GroupNorm, LayerNorm2d, get_norm_layer
from zoo_core.layers.pool import AvgPool2dSame, SelectAdaptivePool2d
from zoo_core.layers.stage import Stage

__all__ = [
    "AvgPool2dSame",
    "BlurPool2d",
    "DropBlock2d",
    "DropPath",
    "EfficientChannelAttention",
    "GroupNorm",
    "LayerNorm2d",
    "SelectAdaptivePool2d",
    "SqueezeExcite",
    "Stage",
    "create_aa",
    "create_act",
    "create_attn",
    "create_classifier",
    "drop_path_rates",
    "get_aa_layer",
    "get_act_layer",
    "get_attn",
    "get_norm_layer",
    "make_divisible",
]
