"""Single operations of a graph: convolutions and norms of known parameters, and constants."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, fx, nn

CONV = torch.conv2d
"""The function that every known convolution of a graph calls after `fold`."""


@dataclass(frozen=True)
class Conv:
    """A 2d convolution with zero padding and constant parameters."""

    x: fx.Node
    weight: Tensor
    bias: Tensor | None
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int


@dataclass(frozen=True)
class Norm:
    """A batch norm with constant statistics: ``(x - mean) / sqrt(var + eps) * weight + bias``."""

    x: fx.Node
    mean: Tensor
    var: Tensor
    weight: Tensor | None
    bias: Tensor | None
    eps: float

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """Return the norm as ``x * scale + shift``, both in float64."""
        scale = (self.var.double() + self.eps).rsqrt()
        if self.weight is not None:
            scale = scale * self.weight.double()
        shift = -self.mean.double() * scale
        return scale, shift if self.bias is None else shift + self.bias.double()


def read_conv(net: fx.GraphModule, node: fx.Node) -> Conv | None:
    """Return the convolution that a node is; None for any other node."""
    if node.op == "call_module":
        module: Any = net.get_submodule(str(node.target))
        if (
            type(module).forward is not nn.Conv2d.forward
            or type(module)._conv_forward is not nn.Conv2d._conv_forward
            or module.padding_mode != "zeros"
            or not isinstance(node.args[0], fx.Node)
        ):
            return None
        own = module.stride, module.padding, module.dilation, module.groups
        return _conv(node.args[0], module.weight, module.bias, *own)
    if node.op != "call_function" or node.target not in (torch.conv2d, F.conv2d):
        return None
    names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
    given: dict[str, Any] = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    weight, bias = constant(net, given.get("weight")), constant(net, given.get("bias"))
    if weight is None or (bias is None and given.get("bias") is not None) or not isinstance(given["input"], fx.Node):
        return None
    options = given.get("stride", 1), given.get("padding", 0), given.get("dilation", 1), given.get("groups", 1)
    return _conv(given["input"], weight, bias, *options)


def _conv(
    x: fx.Node, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any, groups: Any
) -> Conv | None:
    pairs = []
    for value in (stride, padding, dilation):
        pair = (value, value) if isinstance(value, int) else value
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not all(isinstance(each, int) for each in pair):
            return None  # "same" padding, or computed values
        pairs.append((pair[0], pair[1]))
    return Conv(x, weight, bias, pairs[0], pairs[1], pairs[2], groups) if isinstance(groups, int) else None


def write_conv(net: fx.GraphModule, conv: Conv, constants: Constants) -> fx.Node:
    """Add a convolution where the graph inserts."""
    weight = constants.node(conv.weight)
    bias = None if conv.bias is None else constants.node(conv.bias)
    arguments = (conv.x, weight, bias, conv.stride, conv.padding, conv.dilation, conv.groups)
    return net.graph.call_function(CONV, arguments)


def read_norm(net: fx.GraphModule, node: fx.Node) -> Norm | None:
    """Return the batch norm that a node is; None for any other node, and without statistics."""
    if node.op == "call_module":
        module: Any = net.get_submodule(str(node.target))
        forwards = (nn.BatchNorm2d.forward, nn.SyncBatchNorm.forward)
        if type(module).forward not in forwards or module.training or not isinstance(module.running_mean, Tensor):
            return None
        if not isinstance(node.args[0], fx.Node):
            return None
        parameters = module.running_mean, module.running_var, module.weight, module.bias
        return Norm(node.args[0], *parameters, module.eps)
    if node.op != "call_function" or node.target is not F.batch_norm:
        return None
    names = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
    given: dict[str, Any] = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    values = {name: constant(net, given.get(name)) for name in names[1:5]}
    lost = [name for name, value in values.items() if value is None and given.get(name) is not None]
    mean, var, eps = values["running_mean"], values["running_var"], given.get("eps", 1e-5)
    if lost or mean is None or var is None or given.get("training", False) is not False or not isinstance(eps, float):
        return None
    return Norm(given["input"], mean, var, values["weight"], values["bias"], eps)


def constant(net: fx.GraphModule, value: Any) -> Tensor | None:
    """Return the tensor that an argument stands for; None where it is computed, or none."""
    if not isinstance(value, fx.Node) or value.op != "get_attr":
        return None
    found: Any = net
    for name in str(value.target).split("."):
        found = getattr(found, name)
    return found if isinstance(found, Tensor) else None


class Constants:
    """Tensors that a pass adds to a graph: buffers of its module, each once."""

    def __init__(self, net: fx.GraphModule) -> None:
        self.net = net
        self.names: dict[int, str] = {}
        self.kept: list[Tensor] = []  # so that no id is given out twice

    def node(self, tensor: Tensor) -> fx.Node:
        """Add a node with this tensor where the graph inserts."""
        if id(tensor) not in self.names:
            # A pass may have dropped some, so that their number is no free name.
            name = next(name for name in map("constant_{}".format, count()) if name not in self.net._buffers)
            self.net.register_buffer(name, tensor.detach(), persistent=False)
            self.names[id(tensor)] = name
            self.kept.append(tensor)
        return self.net.graph.get_attr(self.names[id(tensor)])


def only_user(node: fx.Node) -> fx.Node | None:
    """Return the node that alone uses this one's value, once."""
    users = list(node.users)
    return users[0] if len(users) == 1 and users[0].all_input_nodes.count(node) == 1 else None


def sum_of(node: fx.Node) -> tuple[fx.Node, fx.Node] | None:
    """Return the two maps of the same shape that a node adds; None for any other node."""
    if node.target not in (operator.add, torch.add) or len(node.args) != 2 or node.kwargs:
        return None
    one, other = node.args
    if not (isinstance(one, fx.Node) and isinstance(other, fx.Node)):
        return None
    shape = one.meta.get("shape")
    return (one, other) if shape is not None and shape == other.meta.get("shape") else None


def added(node: fx.Node, user: fx.Node | None) -> fx.Node | None:
    """Return what a convolution's output is added to, of the same shape; None if it is not."""
    terms = None if user is None else sum_of(user)
    return None if terms is None else terms[1] if terms[0] is node else terms[0]
