"""Batch norms folded into the convolutions before them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, fx

from zoo_inference.graph.nodes import Constants, Conv, Norm, only_user, read_conv, read_norm, write_conv
from zoo_inference.graph.trace import copied


def fold(net: fx.GraphModule) -> tuple[fx.GraphModule, int]:
    """Return a graph whose convolutions hold the norms that follow them, and how many there were.

    A norm is folded where it alone uses the convolution's output; others stay, such as norms before
    their convolution. The parameters are computed in float64 and rounded once. A convolution that
    is shared with one norm is folded once; one that is shared with several gets parameters for
    each. Every other known convolution becomes a call of the same function.
    """
    net = copied(net)
    constants = Constants(net)
    done: dict[tuple[int, ...], tuple[Tensor, Tensor]] = {}
    folded = 0
    for node in list(net.graph.nodes):
        if (conv := read_conv(net, node)) is None:
            continue
        user = only_user(node)
        norm = read_norm(net, user) if user is not None else None
        target = node
        if user is not None and norm is not None and norm.x is node:
            key = _identity(conv, norm)
            if key not in done:
                done[key] = folded_parameters(conv, norm)
            weight, bias = done[key]
            if bool(weight.isfinite().all()) and bool(bias.isfinite().all()):
                conv, target, folded = replace(conv, weight=weight, bias=bias), user, folded + 1
        with net.graph.inserting_before(target):
            new = write_conv(net, conv, constants)
        new.meta = dict(target.meta)
        target.replace_all_uses_with(new)
        net.graph.erase_node(target)
        if target is not node:
            net.graph.erase_node(node)
    return tidy(net), folded


def folded_parameters(conv: Conv, norm: Norm) -> tuple[Tensor, Tensor]:
    """Return weight and bias of a convolution that does the norm's work too."""
    with torch.no_grad():
        scale, shift = norm.scale_and_shift()
        weight = conv.weight.double() * scale.reshape(-1, 1, 1, 1)
        bias = shift if conv.bias is None else shift + conv.bias.double() * scale
    return weight.to(conv.weight.dtype), bias.to(conv.weight.dtype)


def tidy(net: fx.GraphModule) -> fx.GraphModule:
    """Take out nodes and modules that nothing uses any more."""
    for node in reversed(net.graph.nodes):
        if node.op == "get_attr" and not node.users:
            net.graph.erase_node(node)
    net.delete_all_unused_submodules()
    net.graph.lint()
    net.recompile()
    return net


def _identity(conv: Conv, norm: Norm) -> tuple[int, ...]:
    tensors = (conv.weight, conv.bias, norm.mean, norm.var, norm.weight, norm.bias)
    return (*(id(tensor) for tensor in tensors), hash(norm.eps))
