"""The axes of a network's activations: NCHW, NHWC, or tokens, NLC."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

if TYPE_CHECKING:
    from torch.fx.node import Node

_MOST_PREFIX = 8
"""Class and register tokens before the patches, at most."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """The axes of one activation, and its size in pixels."""

    kind: Literal["NCHW", "NHWC", "NLC"]
    channels: int = dataclasses.field(compare=False)
    height: int
    width: int
    prefix: int = 0
    """Class and register tokens before the patches."""


def find_layouts(nodes: list[Node], modules: dict[str, nn.Module], height: int, width: int) -> dict[Node, Layout]:
    """Return the layout of each node that has pixels, for images of that size.

    The nodes carry shapes (`ShapeProp`). A shape that fits two layouts has that of the node's
    input, as only a permutation or a convolution changes the layout.
    """
    found: dict[Node, Layout] = {}
    latest = Layout("NCHW", 0, height, width)
    for node in nodes:
        inputs = [found[n] for n in node.all_input_nodes if n in found]
        given = max(inputs, key=lambda layout: layout.height * layout.width, default=latest)
        if (layout := _layout(node, modules, given, height, width)) is not None:
            found[node] = layout
            latest = layout if layout.height * layout.width > 1 else latest
    return found


def shape_of(node: Node) -> tuple[int, ...]:
    """Return the shape of a node's value; empty if it is no tensor."""
    found = node.meta.get("tensor_meta")
    return tuple(found.shape) if isinstance(found, tuple) and hasattr(found, "shape") else ()


def _layout(node: Node, modules: dict[str, nn.Module], given: Layout, height: int, width: int) -> Layout | None:
    shape = shape_of(node)
    if len(shape) == 3:
        return _tokens(shape, given)
    if len(shape) != 4:
        return None
    first = Layout("NCHW", shape[1], shape[2], shape[3])
    last = Layout("NHWC", shape[3], shape[1], shape[2])
    if node.op == "call_module" and isinstance(modules[str(node.target)], nn.Conv2d | nn.BatchNorm2d):
        return first
    if node.target in ("permute", torch.permute):
        axes = tuple(axis % 4 for axis in _flat(node.args[1:]))
        permuted = {(0, 2, 3, 1): last, (0, 3, 1, 2): first}
        return next((layout for order, layout in permuted.items() if order == axes), None)
    fitting = [layout for layout in (first, last) if _fits(layout, height, width)]
    return next((layout for layout in fitting if layout.kind == given.kind), fitting[0] if fitting else None)


def _flat(arguments: tuple[object, ...]) -> list[int]:
    inner = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], list | tuple) else arguments
    return [axis for axis in inner if isinstance(axis, int)]


def _fits(layout: Layout, height: int, width: int) -> bool:
    """Return True for a layout with the proportions of the images."""
    return layout.height <= height and abs(layout.height * width - layout.width * height) < max(height, width)


def _tokens(shape: tuple[int, ...], given: Layout) -> Layout | None:
    """Return the layout of tokens: one for each pixel or square of pixels, after any prefix."""
    length = shape[1]
    for step in range(1, min(given.height, given.width) + 1):
        rows, columns = given.height // step, given.width // step
        if given.height % step == given.width % step == 0 and rows * columns == length:
            return Layout("NLC", shape[2], rows, columns)
    extra = length - given.height * given.width
    return Layout("NLC", shape[2], given.height, given.width, extra) if 0 < extra <= _MOST_PREFIX else None
