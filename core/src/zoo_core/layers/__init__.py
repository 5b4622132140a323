"""Layers that more than one family uses, each with its paper. Part of the plugin API.

An option that names a layer (``act_layer``, ``norm_layer``, ``aa_layer``, ``attn_layer``) takes a
name or a class: the ``get_*`` function resolves it, and the ``create_*`` function makes one.

- `activation`, `norm`, `attention`, `blur_pool` (anti-aliasing), `drop`: what blocks are made of;
- `conv_norm_act`, `inplace_abn`: fused units, imported when they are used;
- `stage`: blocks in order, with gradient checkpointing;
- `classifier`: the head.
"""

from importlib import import_module
from typing import Any

from zoo_core.layers.activation import ActLayer, create_act, get_act_layer
from zoo_core.layers.attention import AttnLayer, EfficientChannelAttention, SqueezeExcite, create_attn, get_attn
from zoo_core.layers.blur_pool import AaLayer, BlurPool2d, create_aa, get_aa_layer, is_avg_pool
from zoo_core.layers.classifier import ClassifierHead, SelectAdaptivePool2d, TokenPool, create_classifier
from zoo_core.layers.drop import DropPath, check_rate, drop_path_rates
from zoo_core.layers.norm import (
    BatchNormAct2d,
    GroupNorm,
    LayerNorm2d,
    NormLayer,
    get_norm_act_layer,
    get_norm_layer,
)
from zoo_core.layers.stage import Stage, checkpoint_block, is_hooked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from zoo_core.layers.conv_norm_act import ConvNormAct, symmetric_padding
    from zoo_core.layers.inplace_abn import InplaceAbn

__all__ = [
    "AaLayer",
    "ActLayer",
    "AttnLayer",
    "BatchNormAct2d",
    "BlurPool2d",
    "ClassifierHead",
    "ConvNormAct",
    "DropPath",
    "EfficientChannelAttention",
    "GroupNorm",
    "InplaceAbn",
    "LayerNorm2d",
    "NormLayer",
    "SelectAdaptivePool2d",
    "SqueezeExcite",
    "Stage",
    "TokenPool",
    "check_rate",
    "checkpoint_block",
    "create_aa",
    "create_act",
    "create_attn",
    "create_classifier",
    "drop_path_rates",
    "get_aa_layer",
    "get_act_layer",
    "get_attn",
    "get_norm_act_layer",
    "get_norm_layer",
    "is_avg_pool",
    "is_hooked",
    "symmetric_padding",
]
_ON_DEMAND = {"ConvNormAct": "conv_norm_act", "symmetric_padding": "conv_norm_act", "InplaceAbn": "inplace_abn"}


def __getattr__(name: str) -> Any:
    if (module := _ON_DEMAND.get(name)) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)
