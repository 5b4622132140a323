"""The names of ``timm.layers`` that our families and timm's clients use, with timm's signatures.

`zoo_core.layers` keeps meanings of its own; where they agree with timm's, its objects are these.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from enum import StrEnum
from itertools import repeat
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name
from zoo_core import convert_sync_batchnorm, create_feature_extractor, freeze_batch_norm, unfreeze_batch_norm
from zoo_core.layers import (
    BatchNormAct2d,
    BlurPool2d,
    EfficientChannelAttention,
    GroupNorm,
    InplaceAbn,
    LayerNorm2d,
    SqueezeExcite,
    create_attn,
    get_attn,
    get_norm_act_layer,
    get_norm_layer,
)
from zoo_core.layers import get_act_layer as get_zoo_act
from zoo_core.layers.activation import HardMish, QuickGELU
from zoo_core.layers.classifier import AdaptiveAvgMaxPool2d, AdaptiveCatAvgMaxPool2d
from zoo_core.layers.drop import drop_path_rates

from zoo_compat.names.flags import (
    get_notrace_functions,
    get_notrace_modules,
    is_exportable,
    is_no_jit,
    is_scriptable,
    set_exportable,
    set_layer_config,
    set_no_jit,
    set_scriptable,
)
from zoo_compat.names.models import checkpoint

EcaModule = EfficientChannelAttn = EfficientChannelAttention
SEModule = SqueezeExcite
Swish = nn.SiLU
freeze_batch_norm_2d = freeze_batch_norm
unfreeze_batch_norm_2d = unfreeze_batch_norm

__all__ = [
    "AdaptiveAvgMaxPool2d",
    "AdaptiveCatAvgMaxPool2d",
    "BatchNormAct2d",
    "BlurPool2d",
    "ClassifierHead",
    "DropPath",
    "EcaModule",
    "EfficientChannelAttn",
    "Format",
    "GroupNorm",
    "HardMish",
    "InplaceAbn",
    "LayerNorm2d",
    "Mlp",
    "QuickGELU",
    "SEModule",
    "SelectAdaptivePool2d",
    "SqueezeExcite",
    "Swish",
    "calculate_drop_path_rates",
    "checkpoint",
    "convert_sync_batchnorm",
    "create_act_layer",
    "create_attn",
    "create_classifier",
    "create_conv2d",
    "create_feature_extractor",
    "create_norm_act_layer",
    "create_norm_layer",
    "drop_path",
    "extend_tuple",
    "freeze_batch_norm_2d",
    "get_act_fn",
    "get_act_layer",
    "get_attn",
    "get_channel_dim",
    "get_norm_act_layer",
    "get_norm_layer",
    "get_notrace_functions",
    "get_notrace_modules",
    "get_padding",
    "get_spatial_dim",
    "is_exportable",
    "is_no_jit",
    "is_scriptable",
    "lecun_normal_",
    "make_divisible",
    "nchw_to",
    "nhwc_to",
    "set_exportable",
    "set_layer_config",
    "set_no_jit",
    "set_scriptable",
    "to_1tuple",
    "to_2tuple",
    "to_3tuple",
    "to_4tuple",
    "to_ntuple",
    "trunc_normal_",
    "trunc_normal_tf_",
    "unfreeze_batch_norm_2d",
    "variance_scaling_",
]


def to_ntuple(n: int) -> Callable[[Any], Any]:
    """Return a function that repeats a value `n` times, and makes a tuple of several."""

    def parse(x: Any) -> tuple[Any, ...]:
        return tuple(x) if isinstance(x, Iterable) and not isinstance(x, str) else tuple(repeat(x, n))

    return parse


to_1tuple, to_2tuple, to_3tuple, to_4tuple = (to_ntuple(n) for n in range(1, 5))


def extend_tuple(x: Any, n: int) -> tuple[Any, ...]:
    """Return `n` values: those of `x`, and its last one as often as it takes."""
    values = tuple(x) if isinstance(x, tuple | list) else (x,)
    return (*values, *repeat(values[-1], n - len(values)))[:n]


def make_divisible(v: float, divisor: int = 8, min_value: int | None = None, round_limit: float = 0.9) -> int:
    """Round `v` to a multiple of `divisor`, and up where that loses more than a tenth.

    Source: MobileNetV2, its published code.
    """
    rounded = max(min_value or divisor, int(v + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < round_limit * v else rounded


class Format(StrEnum):
    """The order of a tensor's axes."""

    NCHW = "NCHW"
    NHWC = "NHWC"
    NCL = "NCL"
    NLC = "NLC"


def get_spatial_dim(fmt: Format | str) -> tuple[int, ...]:
    """Return the axes of height and width, or of length."""
    return {"NCHW": (2, 3), "NHWC": (1, 2), "NCL": (2,), "NLC": (1,)}[Format(fmt).value]


def get_channel_dim(fmt: Format | str) -> int:
    """Return the axis of the channels."""
    return {"NCHW": 1, "NHWC": 3, "NCL": 1, "NLC": 2}[Format(fmt).value]


def nchw_to(x: Tensor, fmt: Format | str) -> Tensor:
    """Order the axes of (batch, channels, height, width) otherwise."""
    match Format(fmt):
        case Format.NHWC:
            return x.permute(0, 2, 3, 1)
        case Format.NLC:
            return x.flatten(2).transpose(1, 2)
        case Format.NCL:
            return x.flatten(2)
    return x


def nhwc_to(x: Tensor, fmt: Format | str) -> Tensor:
    """Order the axes of (batch, height, width, channels) otherwise."""
    return x if Format(fmt) is Format.NHWC else nchw_to(x.permute(0, 3, 1, 2), fmt)


def get_padding(kernel_size: int, stride: int = 1, dilation: int = 1, **_: Any) -> int:
    """Return the padding on each side that keeps the size at stride 1."""
    return (stride - 1 + dilation * (kernel_size - 1)) // 2


def create_conv2d(in_channels: int, out_channels: int, kernel_size: int, **options: Any) -> nn.Module:
    """Return a convolution; ``padding=""`` is symmetric, ``depthwise=True`` has a group a channel.

    Raises:
        OptionError: for ``padding="same"`` with a stride, as TensorFlow pads.
    """
    padding = options.pop("padding", "")
    depthwise, bias = options.pop("depthwise", False), options.pop("bias", False)
    if depthwise:
        options["groups"] = in_channels
    if padding in ("", None):
        padding = get_padding(kernel_size, options.get("stride", 1), options.get("dilation", 1))
    elif padding == "same" and options.get("stride", 1) != 1:
        from zoo_core import OptionError

        raise OptionError("padding='same' with a stride pads unevenly: use timm's own Conv2dSame")
    return nn.Conv2d(
        in_channels, out_channels, kernel_size, padding=0 if padding == "valid" else padding, bias=bias, **options
    )


def get_act_layer(name: Any = "relu") -> Any:
    """Return the class of an activation; None for none."""
    return get_zoo_act(name) if name else None


def get_act_fn(name: Any = "relu") -> Any:
    """Return an activation as a function; None for none."""
    if not name or callable(name):
        return name or None
    layer = get_zoo_act(name)()
    return lambda x, inplace=False: layer(x)


def create_act_layer(name: Any, inplace: bool | None = None, **options: Any) -> nn.Module | None:
    """Return an activation; None for none."""
    if not (layer := get_act_layer(name)):
        return None
    if inplace is not None:
        try:
            return layer(inplace=inplace, **options)
        except TypeError:  # one that cannot work in place
            pass
    made: nn.Module = layer(**options)
    return made


def create_norm_layer(layer_name: Any, num_features: int, **options: Any) -> nn.Module:
    """Return a norm."""
    return get_norm_layer(layer_name)(num_features, **options)


def create_norm_act_layer(
    layer_name: Any, num_features: int, act_layer: Any = None, apply_act: bool = True, **options: Any
) -> nn.Module:
    """Return a norm with its activation."""
    return get_norm_act_layer(layer_name, act_layer or "relu")(num_features, apply_act=apply_act, **options)


def drop_path(x: Tensor, drop_prob: float = 0.0, training: bool = False, scale_by_keep: bool = True) -> Tensor:
    """Drop whole samples of a residual branch; those that stay grow by 1 / (1 - p).

    Source: Deep Networks with Stochastic Depth, https://arxiv.org/abs/1603.09382.
    """
    if not drop_prob or not training:
        return x
    keep = 1 - drop_prob
    mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep)
    return x * (mask.div_(keep) if keep and scale_by_keep else mask)


class DropPath(nn.Module):
    """`drop_path` as a module."""

    def __init__(self, drop_prob: float = 0.0, scale_by_keep: bool = True) -> None:
        super().__init__()
        self.drop_prob, self.scale_by_keep = drop_prob, scale_by_keep

    def forward(self, x: Tensor) -> Tensor:
        """Drop samples in training."""
        return drop_path(x, self.drop_prob, self.training, self.scale_by_keep)

    def extra_repr(self) -> str:
        """Say the probability."""
        return f"drop_prob={self.drop_prob:.3f}"


def calculate_drop_path_rates(drop_path_rate: float, depths: Any, stagewise: bool = False) -> Any:
    """Return a rate for each block, rising from 0: one list, or one per stage with `stagewise`."""
    rates = drop_path_rates(drop_path_rate, [depths] if isinstance(depths, int) else depths)
    return rates if stagewise else [rate for stage in rates for rate in stage]


class SelectAdaptivePool2d(nn.Module):
    """Pool (batch, channels, h, w) to `output_size`; flattens only where it is told to.

    Args:
        output_size: of the pooled map.
        pool_type: ``"avg"``, ``"max"``, ``"avgmax"``, ``"catavgmax"``, with ``fast`` before it or
            not, or ``""`` for no pooling.
        flatten: to (batch, channels).
        input_fmt: only ``"NCHW"``.
    """

    def __init__(
        self, output_size: Any = 1, pool_type: str = "fast", flatten: bool = False, input_fmt: str = "NCHW"
    ) -> None:
        super().__init__()
        from zoo_core import OptionError

        if input_fmt != "NCHW":
            raise OptionError(f"input_fmt {input_fmt!r}: only 'NCHW'")
        kind = pool_type.removeprefix("fast") or ("avg" if pool_type else "")
        if kind not in ("", "avg", "max", "avgmax", "catavgmax"):
            raise OptionError(f"pool_type {pool_type!r}: 'avg', 'max', 'avgmax', 'catavgmax' or ''")
        self.pool_type, self.kind, self.output_size = pool_type, kind, output_size
        self.pool = nn.Identity()
        self.flatten = nn.Flatten(1) if flatten else nn.Identity()

    def is_identity(self) -> bool:
        """Return whether nothing is pooled."""
        return not self.kind

    def feat_mult(self) -> int:
        """Return how many channels come out for each that goes in."""
        return 2 if self.kind == "catavgmax" else 1

    def forward(self, x: Tensor) -> Tensor:
        """Pool."""
        if self.kind == "avg":
            x = F.adaptive_avg_pool2d(x, self.output_size)
        elif self.kind == "max":
            x = F.adaptive_max_pool2d(x, self.output_size)
        elif self.kind:
            means = F.adaptive_avg_pool2d(x, self.output_size)
            peaks = F.adaptive_max_pool2d(x, self.output_size)
            x = 0.5 * (means + peaks) if self.kind == "avgmax" else torch.cat((means, peaks), 1)
        return self.flatten(x)


def create_classifier(
    num_features: int,
    num_classes: int,
    pool_type: str = "avg",
    use_conv: bool = False,
    input_fmt: str = "NCHW",
    drop_rate: float | None = None,
    **options: Any,
) -> Any:
    """Return pooling and classifier, and a dropout between them where `drop_rate` is given."""
    pool = SelectAdaptivePool2d(pool_type=pool_type, flatten=bool(pool_type) and not use_conv, input_fmt=input_fmt)
    width = num_features * pool.feat_mult()
    if num_classes <= 0:
        fc: nn.Module = nn.Identity()
    else:
        fc = nn.Conv2d(width, num_classes, 1, **options) if use_conv else nn.Linear(width, num_classes, **options)
    return (pool, fc) if drop_rate is None else (pool, nn.Dropout(drop_rate), fc)


class ClassifierHead(nn.Module):
    """Pooling, dropout and classifier: (batch, in_features, h, w) to (batch, num_classes)."""

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        pool_type: str = "avg",
        drop_rate: float = 0.0,
        use_conv: bool = False,
        input_fmt: str = "NCHW",
        **options: Any,
    ) -> None:
        super().__init__()
        self.in_features, self.use_conv, self.input_fmt, self.options = in_features, use_conv, input_fmt, options
        self.drop = nn.Dropout(drop_rate)
        self.reset(num_classes, pool_type)

    def reset(self, num_classes: int, pool_type: str | None = None) -> None:
        """Replace the classifier, and the pooling where one is named."""
        kind: str = self.global_pool.pool_type if pool_type is None else pool_type
        self.global_pool: SelectAdaptivePool2d
        self.fc: nn.Module
        self.global_pool, self.fc = create_classifier(
            self.in_features, num_classes, kind, self.use_conv, self.input_fmt, **self.options
        )
        self.flatten = nn.Flatten(1) if self.use_conv and kind else nn.Identity()

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Return logits, or what goes into the classifier."""
        x = self.drop(self.global_pool(x))
        return self.flatten(x if pre_logits else self.fc(x))


class Mlp(nn.Module):
    """Two linear layers with an activation between, as in vision transformers.

    Source: An Image is Worth 16x16 Words, https://arxiv.org/abs/2010.11929.
    """

    def __init__(
        self,
        in_features: int,
        hidden_features: int | None = None,
        out_features: int | None = None,
        act_layer: Callable[[], nn.Module] = nn.GELU,
        norm_layer: Callable[[int], nn.Module] | None = None,
        bias: bool | tuple[bool, bool] = True,
        drop: float | tuple[float, float] = 0.0,
        use_conv: bool = False,
        **options: Any,
    ) -> None:
        super().__init__()
        hidden, out = hidden_features or in_features, out_features or in_features
        biases, drops = to_2tuple(bias), to_2tuple(drop)
        widths = ((in_features, hidden), (hidden, out))
        self.fc1, self.fc2 = (
            nn.Conv2d(*pair, 1, bias=each, **options) if use_conv else nn.Linear(*pair, bias=each, **options)
            for pair, each in zip(widths, biases, strict=True)
        )
        self.act = act_layer()
        self.drop1, self.drop2 = nn.Dropout(drops[0]), nn.Dropout(drops[1])
        self.norm = norm_layer(hidden) if norm_layer is not None else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features)."""
        return self.drop2(self.fc2(self.norm(self.drop1(self.act(self.fc1(x))))))


def trunc_normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0) -> Tensor:
    """Fill from a normal distribution cut off at `a` and `b`."""
    return nn.init.trunc_normal_(tensor, mean, std, a, b)


def trunc_normal_tf_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0) -> Tensor:
    """Fill from a standard normal distribution cut off at `a` and `b`, then scaled, as in JAX."""
    nn.init.trunc_normal_(tensor, 0.0, 1.0, a, b)
    with torch.no_grad():
        return tensor.mul_(std).add_(mean)


def variance_scaling_(tensor: Tensor, scale: float = 1.0, mode: str = "fan_in", distribution: str = "normal") -> Tensor:
    """Fill with a variance of `scale` over the fan, as JAX's initialiser of that name."""
    fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(tensor)
    variance = scale / {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
    if distribution == "truncated_normal":
        return trunc_normal_tf_(tensor, std=math.sqrt(variance) / _TRUNCATED_STD)
    with torch.no_grad():
        if distribution == "normal":
            return tensor.normal_(std=math.sqrt(variance))
        bound = math.sqrt(3 * variance)
        return tensor.uniform_(-bound, bound)


_TRUNCATED_STD = 0.8796256610342398  # of a standard normal cut off at two


def lecun_normal_(tensor: Tensor) -> Tensor:
    """Fill with a variance of 1 over the inputs."""
    return variance_scaling_(tensor, mode="fan_in", distribution="truncated_normal")
