"""Dense blocks that write into one buffer.

A dense block (https://arxiv.org/abs/1608.06993) concatenates its input and all outputs so far
before every layer, which copies each map once per later layer. Here every map is written once, into
a buffer of the block's final width, and a layer reads the buffer's beginning. Its norm and
activation are one pass over that: ``relu(x * scale + shift)`` is ``scale * max(x, -shift / scale) +
shift`` where the scale is positive, and all but the maximum goes into the convolution after it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, fx

from zoo_inference.graph.nodes import Constants, Conv, Norm, only_user, read_conv, read_norm, write_conv
from zoo_inference.graph.trace import copied


def grow(net: fx.GraphModule) -> tuple[fx.GraphModule, int]:
    """Return a graph whose growing concatenations share buffers, and how many buffers there are."""
    net = copied(net)
    chains = _chains(net.graph)
    for chain in chains:
        _share(net.graph, chain)
    constants = Constants(net)
    for node in list(net.graph.nodes):
        norm = read_norm(net, node)
        if norm is not None and norm.x.target is first_channels:
            _normalise_part(net, node, constants)
    net.graph.lint()
    net.recompile()
    return net, len(chains)


def new_buffer(x: Tensor, channels: int) -> Tensor:
    """Return a buffer (batch, channels, h, w) that begins with the map `x`."""
    shape = (x.shape[0], channels, x.shape[2], x.shape[3])
    buffer = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    buffer[:, : x.shape[1]] = x
    return buffer


def append(buffer: Tensor, x: Tensor, begin: int, channels: int) -> Tensor:
    """Write the map `x` into as many channels of the buffer, from `begin` on; return the buffer."""
    buffer.narrow(1, begin, channels).copy_(x)
    return buffer


def first_channels(buffer: Tensor, channels: int) -> Tensor:
    """Return the buffer's first channels: a view, no copy."""
    return buffer.narrow(1, 0, channels)


def scaled(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Return a norm of known statistics."""
    return torch.addcmul(shift, x, scale)


def scaled_relu(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Return a norm of known statistics and the activation after it."""
    return torch.addcmul(shift, x, scale).relu_()


def _parts(node: fx.Node) -> list[fx.Node]:
    """Return the maps that a concatenation over channels joins; none for another node."""
    if node.op != "call_function" or node.target is not torch.cat or not node.args:
        return []
    axis = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
    parts: Any = node.args[0]
    known = axis == 1 and isinstance(parts, list | tuple) and all(isinstance(part, fx.Node) for part in parts)
    return list(parts) if known and all(len(part.meta.get("shape", ())) == 4 for part in parts) else []


def _chains(graph: fx.Graph) -> list[list[fx.Node]]:
    """Return the concatenations of which each begins with all parts of the one before."""
    chains: list[list[fx.Node]] = []
    for node in graph.nodes:
        if not (parts := _parts(node)):
            continue
        for chain in chains:
            last = _parts(chain[-1])
            if len(parts) > len(last) and parts[: len(last)] == last:
                chain.append(node)
                break
        else:
            chains.append([node])
    return [chain for chain in chains if len(chain) > 2]


def _share(graph: fx.Graph, chain: list[fx.Node]) -> None:
    """Let the concatenations of a chain be the beginnings of one buffer."""
    parts = _parts(chain[-1])
    widths = [part.meta["shape"][1] for part in parts]
    with graph.inserting_after(parts[0]):
        buffer = graph.call_function(new_buffer, (parts[0], sum(widths)))
    filled = {1: buffer}
    for index in range(1, len(parts)):
        # After its part and after the buffer's last change, whichever comes later.
        place = max(parts[index], buffer, key=list(graph.nodes).index)
        with graph.inserting_after(place):
            buffer = graph.call_function(append, (buffer, parts[index], sum(widths[:index]), widths[index]))
        filled[index + 1] = buffer
    for node in chain:
        count = len(_parts(node))
        with graph.inserting_before(node):
            view = graph.call_function(first_channels, (filled[count], sum(widths[:count])))
        view.meta = dict(node.meta)
        node.replace_all_uses_with(view)
    for node in chain:
        graph.erase_node(node)


def _normalise_part(net: fx.GraphModule, node: fx.Node, constants: Constants) -> None:
    """Normalise a part of a buffer as it lies there: batch norm would copy it first."""
    norm = read_norm(net, node)
    assert norm is not None
    user = only_user(node)
    relu = user if user is not None and user.target is F.relu and not user.kwargs else None
    after = only_user(relu) if relu is not None else None
    conv = read_conv(net, after) if after is not None else None
    if after is not None and conv is not None and conv.x is relu and conv.padding == (0, 0) and conv.groups == 1:
        _bound(net, norm, conv, after, constants)
        unused: list[fx.Node | None] = [after, relu, node]
    else:
        target = node if relu is None else relu
        scale, shift = (each.to(norm.mean.dtype).reshape(1, -1, 1, 1) for each in norm.scale_and_shift())
        with net.graph.inserting_before(target):
            arguments = (norm.x, constants.node(scale), constants.node(shift))
            new = net.graph.call_function(scaled if relu is None else scaled_relu, arguments)
        new.meta = dict(target.meta)
        target.replace_all_uses_with(new)
        unused = [relu, node]
    for each in unused:
        if each is not None:
            net.graph.erase_node(each)


def _bound(net: fx.GraphModule, norm: Norm, conv: Conv, node: fx.Node, constants: Constants) -> None:
    """Replace a norm, its activation and the convolution after it by bounds and a convolution."""
    with torch.no_grad():
        scale, shift = norm.scale_and_shift()
        edge, endless = -shift / scale, torch.full_like(scale, torch.inf)
        lower = torch.where(scale > 0, edge, -endless).where(scale != 0, 0.0)
        upper = torch.where(scale < 0, edge, endless).where(scale != 0, 0.0)
        shift = shift.where(scale != 0, shift.relu())
        weight = conv.weight.double() * scale.reshape(1, -1, 1, 1)
        bias = (conv.weight.double() * shift.reshape(1, -1, 1, 1)).sum((1, 2, 3))
        bias = bias if conv.bias is None else bias + conv.bias.double()
    dtype = conv.weight.dtype
    with net.graph.inserting_before(node):
        below = constants.node(lower.to(dtype).reshape(1, -1, 1, 1))
        if bool((scale > 0).all()):
            bounded = net.graph.call_function(torch.maximum, (norm.x, below))
        else:
            above = constants.node(upper.to(dtype).reshape(1, -1, 1, 1))
            bounded = net.graph.call_function(torch.clamp, (norm.x, below, above))
        bounded.meta = dict(norm.x.meta)
        new = write_conv(net, replace(conv, x=bounded, weight=weight.to(dtype), bias=bias.to(dtype)), constants)
    new.meta = dict(node.meta)
    node.replace_all_uses_with(new)
