"""The layouts of feature maps, and the way from one to another.

``"NCHW"`` is (batch, channels, height, width), ``"NHWC"`` (batch, height, width, channels), and
``"NLC"`` are tokens, (batch, length, channels), pixel by pixel and row by row. Where a network
works on tokens, prefix tokens (a class token, registers) may precede those of the pixels.
"""

from typing import Tuple  # noqa: UP035 - TorchScript knows no others

import torch
from torch import Tensor

from zoo_core.errors import FeatureError

LAYOUTS = ("NCHW", "NHWC", "NLC")


def check_layout(name: str, what: str = "output_fmt") -> str:
    """Return `name`.

    Raises:
        FeatureError: unless it is one of `LAYOUTS`; `what` names the option.
    """
    if name not in LAYOUTS:
        raise FeatureError(f"{what} {name!r}: expected one of {', '.join(map(repr, LAYOUTS))}")
    return name


Conversion = Tuple[str, str, int, int]  # noqa: UP006
"""For one map: its layout, the wanted one, its reduction, and how many prefix tokens it has."""


def convert_map(x: Tensor, images: Tensor, conversion: Tuple[str, str, int, int]) -> Tensor:  # noqa: UP006
    """Return a map in another layout, and without prefix tokens, as a view where there is one.

    TorchScript compiles it, and every tracer follows it.

    Args:
        x: the map as the network yields it.
        images: those that the network was given.
        conversion: see `Conversion`.

    Raises:
        FeatureError: for tokens that are no grid of that reduction.
    """
    layout, output_fmt, reduction, prefix = conversion
    if layout == "NLC":
        x = x[:, prefix:]
        if output_fmt == "NLC":
            return x
        rows, columns = grid_size(x.shape[1], images.shape[-2], images.shape[-1], reduction)
        x = x.reshape(x.shape[0], rows, columns, x.shape[2])
        layout = "NHWC"
    if layout == output_fmt:
        return x
    if output_fmt == "NLC":
        return x.flatten(1, 2) if layout == "NHWC" else x.flatten(2).transpose(1, 2)
    return x.permute(0, 3, 1, 2) if output_fmt == "NCHW" else x.permute(0, 2, 3, 1)


def grid_size(length: int, height: int, width: int, reduction: int) -> Tuple[int, int]:  # noqa: UP006
    """Return rows and columns of tokens; the network may cut off a border, or pad it."""
    border = 0
    if torch.jit.is_scripting():  # type: ignore[attr-defined]
        if (height // reduction) * (width // reduction) != length:
            border = reduction - 1
    else:  # sizes may be a tracer's values, which no branch can follow
        border = (reduction - 1) * ((height // reduction) * (width // reduction) != length)
    rows, columns = (height + border) // reduction, (width + border) // reduction
    if not torch.jit.is_scripting() and isinstance(length, int) and rows * columns != length:  # type: ignore[attr-defined]
        raise FeatureError(
            f"{length} tokens are no map of images of {height} x {width} at reduction {reduction}: "
            "correct reduction in feature_info, or num_prefix_tokens"
        )
    return rows, columns
