"""Activations by name or class."""

import inspect
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from zoo_core.errors import look_up

ActLayer = str | Callable[..., nn.Module] | None
"""A name of `get_act_layer`, a module class (or partial of one), or None for no activation."""


class QuickGELU(nn.Module):
    """GELU approximated by a sigmoid, ``x * sigmoid(1.702 x)`` (https://arxiv.org/abs/1606.08415)."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return x * (1.702 * x).sigmoid()


class HardMish(nn.Module):
    """Mish approximated by a clamp, ``x / 2 * clamp(x + 2, 0, 2)`` (https://github.com/digantamisra98/H-Mish)."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return 0.5 * x * F.hardtanh(x + 2.0, 0.0, 2.0)


_ACT_LAYERS: dict[str, Callable[..., nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": nn.LeakyReLU,  # slope 0.01, torch's own, in every published network of Zoo
    "prelu": nn.PReLU,
    "elu": nn.ELU,
    "celu": nn.CELU,
    "selu": nn.SELU,
    "silu": nn.SiLU,  # https://arxiv.org/abs/1702.03118
    "swish": nn.SiLU,  # https://arxiv.org/abs/1710.05941, the same function
    "gelu": nn.GELU,  # https://arxiv.org/abs/1606.08415
    "gelu_tanh": partial(nn.GELU, approximate="tanh"),
    "quick_gelu": QuickGELU,
    "mish": nn.Mish,  # https://arxiv.org/abs/1908.08681
    "hard_mish": HardMish,
    "hard_swish": nn.Hardswish,  # https://arxiv.org/abs/1905.02244
    "hard_sigmoid": nn.Hardsigmoid,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "identity": nn.Identity,
}


def get_act_layer(act: ActLayer) -> Callable[..., nn.Module]:
    """Return the class of an activation; None and "" give `nn.Identity`.

    Names ignore case and underscores.

    Raises:
        OptionError: for an unknown name, with the nearest one.
    """
    if act is None or act == "":
        return nn.Identity
    return _named(act) if isinstance(act, str) else act


@cache  # a network asks for each of its layers
def _named(act: str) -> Callable[..., nn.Module]:
    return look_up("activation", act, _ACT_LAYERS)


def create_act(act: ActLayer, *, inplace: bool = True, **kwargs: Any) -> nn.Module:
    """Make an activation, in place where its class can be."""
    layer = get_act_layer(act)
    if inplace and _can_work_in_place(layer):
        kwargs["inplace"] = True
    return layer(**kwargs)


@cache
def _can_work_in_place(layer: Callable[..., nn.Module]) -> bool:
    return "inplace" in inspect.signature(layer).parameters
