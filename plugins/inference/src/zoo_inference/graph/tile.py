"""Convolutions of a graph that should be faster tile by tile.

Which they are is estimated, and not measured, so that one network is always computed in one way;
whether the result is faster is then measured beside the other engines.
"""

from __future__ import annotations

import torch
from torch import fx

from zoo_inference.graph import onednn
from zoo_inference.graph.fold import tidy
from zoo_inference.graph.nodes import CONV, Conv, read_conv
from zoo_inference.graph.trace import copied
from zoo_inference.graph.winograd import POINTS, TAPS, Tile, Tiled, axes, to_outputs, to_planes
from zoo_inference.refused import Refused

LEAST_CHANNELS = 16
"""Below it, oneDNN is far from its best speed."""
GAIN = 1.05
"""How many times cheaper a convolution must be by tiles."""
SQUARE = 1.15
"""How many times longer a multiplication takes in square tiles, whose convolution is 1x1."""
NUMBER, WEIGHT, LAYER = 2.0, 9.0, 2e6
"""Multiplications that take as long as a number that a weighted sum reads or writes, a weight that
comes from memory, and the further operations of a layer. Measured in resnet50, densenet121 and
cspdarknet53 on one core of an AMD EPYC 9004."""
SIZES: tuple[Tile, ...] = (*((length, 0) for length in POINTS), (4, 4))
"""Tiles to choose from. Larger ones would lose precision, or sum more than they spare."""


def tile(net: fx.GraphModule) -> tuple[fx.GraphModule, int]:
    """Return a graph with `Tiled` for some convolutions of `fold`, and how many they are.

    It is for `fuse`, which does the others.

    Raises:
        Refused: where this PyTorch has not the operators, or no convolution should be faster so.
    """
    if problem := onednn.missing():
        raise Refused(problem)
    net = copied(net)
    count = 0
    for node in list(net.graph.nodes):
        conv = read_conv(net, node) if node.target is CONV else None
        if conv is None or (best := best_tile(conv)) is None:
            continue
        net.add_submodule(f"tiled_{count}", Tiled(conv, best))
        with net.graph.inserting_before(node):
            new = net.graph.call_module(f"tiled_{count}", (conv.x,))
        new.meta = dict(node.meta)
        node.replace_all_uses_with(new)
        net.graph.erase_node(node)
        count += 1
    if not count:
        raise Refused("it has no 3x3 convolution that should be faster by tiles")
    return tidy(net), count


def best_tile(conv: Conv) -> Tile | None:
    """Return the tiles with which a convolution costs the least; None for none."""
    weight, shape = conv.weight, conv.x.meta.get("shape", ())
    if weight.dtype is not torch.float32 or weight.device.type != "cpu" or len(shape) != 4:
        return None
    if (weight.shape[2:], conv.stride, conv.dilation, conv.groups) != ((TAPS, TAPS), (1, 1), (1, 1), 1):
        return None
    if min(weight.shape[:2]) < LEAST_CHANNELS:
        return None
    best = min(SIZES, key=lambda size: cost(conv, size))
    return best if cost(conv, best) * GAIN < cost(conv, None) else None


def cost(conv: Conv, tile: Tile | None) -> float:
    """Return what a convolution of one image costs, in multiplications."""
    out_channels, channels = conv.weight.shape[:2]
    filters = out_channels * channels
    high, wide = axes(tile or (0, 0), conv)
    if tile is None:
        return filters * TAPS**2 * (high.outputs * wide.outputs + WEIGHT)
    taps = (high.length + TAPS - 1) * (wide.length + TAPS - 1 if wide.length else TAPS)
    pixels = high.tiles * (wide.tiles * SQUARE if wide.length else wide.outputs)
    inputs, outputs = (sum(sums.numbers for sums in of(high, wide, 1)) for of in (to_planes, to_outputs))
    return filters * taps * (pixels + WEIGHT) + (inputs * channels + outputs * out_channels) * NUMBER + LAYER
