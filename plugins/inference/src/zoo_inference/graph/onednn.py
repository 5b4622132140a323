"""oneDNN's convolutions, as `torch.compile` calls them on a CPU.

They end in an activation, a sum, or both. They want maps whose channels lie side by side in memory
(channels last), and weights in a layout that depends on the input's size; another size is right
too, and slower. PyTorch keeps them private, so each is tried once before it is used.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from zoo_inference.graph import scripts
from zoo_inference.graph.trace import first_line

Pair = Sequence[int]
Options = tuple[Pair, Pair, Pair, int]
"""Padding, stride, dilation and groups of a convolution."""


class Convolution(nn.Module):
    """A convolution of a map, channels last: it returns a new one that is nobody else's."""


def packed(weight: Tensor, options: Options, shape: Sequence[int]) -> Tensor:
    """Return a weight in oneDNN's layout, for inputs of this shape; nobody can copy it."""
    found: Tensor = torch.ops.mkldnn._reorder_convolution_weight(weight.detach().contiguous(), *options, list(shape))
    return found


def largest_part(batch: int, most: int) -> int:
    """Return the size of a batch's equal parts, at most `most` and as large as may be.

    A weight that is packed for one size can be several times slower for another.
    """
    return next(size for size in range(max(1, min(most, batch)), 0, -1) if batch % size == 0)


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    padding: Pair,
    stride: Pair,
    dilation: Pair,
    groups: int,
    activation: str = "none",
    numbers: Sequence[float] = (),
    algorithm: str = "",
) -> Tensor:
    """Return a convolution and its activation, as oneDNN names it."""
    function: Any = torch.ops.mkldnn._convolution_pointwise.default
    if is_tracing():
        if numbers:
            raise NotImplementedError("TorchScript has no list of optional numbers")
        return _script("convolve")(x, weight, bias, padding, stride, dilation, groups, activation, algorithm)
    return function(x, weight, bias, padding, stride, dilation, groups, activation, numbers, algorithm)


def add(x: Tensor, other: Tensor, *rest: Any) -> Tensor:
    """Return a convolution of `x` plus `other`, activated.

    The rest is weight, bias, padding, stride, dilation, groups, and the activation or None.
    """
    return _sum("add", torch.ops.mkldnn._convolution_pointwise, (x, other, *rest))


def add_to(other: Tensor, x: Tensor, *rest: Any) -> Tensor:
    """Add a convolution of `x` to `other` in place, activate that and return it: see `add`."""
    return _sum("add_to", torch.ops.mkldnn._convolution_pointwise_, (other, x, *rest))


def _sum(name: str, operator: Any, arguments: tuple[Any, ...]) -> Tensor:
    *arguments_of_both, activation = arguments
    found: Tensor = (
        _script(name)(*arguments)
        if is_tracing()
        else operator.binary(*arguments_of_both, "add", None, activation, (), None)
    )
    return found


def is_tracing() -> bool:
    """Tell whether a TorchScript trace is being recorded."""
    return bool(torch._C._get_tracing_state())


@cache
def missing() -> str:
    """Return why the operators cannot be used here; empty where they can."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return "this PyTorch has no oneDNN"
    try:
        x, options = torch.ones(1, 1, 3, 3).contiguous(memory_format=torch.channels_last), ((0, 0), (1, 1), (1, 1), 1)
        rest: Any = (packed(torch.ones(1, 1, 1, 1), options, x.shape), None, *options, "relu")
        one = convolve(x, *rest)
        two = add(x, one, *rest)
        three = add_to(two.clone(), x, *rest)
    except (AttributeError, RuntimeError, TypeError) as error:
        return f"this PyTorch's fused convolutions have another form: {first_line(error)}"
    right = all(bool((result == number).all()) for number, result in enumerate((one, two, three), 1))
    return "" if right else "this PyTorch's fused convolutions compute something else"


@cache
def _script(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on TorchScript's future
        return torch.jit.script(getattr(scripts, name))
