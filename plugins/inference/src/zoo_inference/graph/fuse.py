"""oneDNN's convolutions that end in an activation, a sum, or both.

They are what `torch.compile` calls on a CPU: private operators of PyTorch, so each is tried once
before it is used. They want maps whose channels lie side by side in memory (channels last), and
weights in a layout that depends on the input's size; another size is right too, and slower.
"""

from __future__ import annotations

import operator
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, fx

from zoo_inference.graph.fold import tidy
from zoo_inference.graph.nodes import CONV, Constants, Conv, only_user, read_conv
from zoo_inference.graph.trace import copied, first_line
from zoo_inference.refused import Refused


def fuse(net: fx.GraphModule) -> tuple[fx.GraphModule, int]:
    """Return a graph with fused convolutions in place of those of `fold`, and how many there are.

    Maps lie channels last inside; outputs have the layout of the network's own.

    Raises:
        Refused: where this PyTorch has not the operators, or the network no such convolution.
    """
    if problem := missing():
        raise Refused(problem)
    net = copied(net)
    constants = Constants(net)
    fused = 0
    for node in list(net.graph.nodes):
        if node.target is CONV and (conv := read_conv(net, node)) is not None and _fits(conv):
            _fuse_one(net, node, conv, constants)
            fused += 1
    if not fused:
        raise Refused("it has no 2d convolution in float32")
    channels_last(net)
    return tidy(net), fused


@cache
def missing() -> str:
    """Return why the operators cannot be used here; empty where they can."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return "this PyTorch has no oneDNN"
    try:
        x, weight = torch.ones(1, 1, 3, 3), torch.ones(1, 1, 1, 1)
        x = x.contiguous(memory_format=torch.channels_last)
        packed = torch.ops.mkldnn._reorder_convolution_weight(weight, [0, 0], [1, 1], [1, 1], 1, [1, 1, 3, 3])
        options = ([0, 0], [1, 1], [1, 1], 1)
        one = torch.ops.mkldnn._convolution_pointwise(x, packed, None, *options, "relu", [], "")
        two = torch.ops.mkldnn._convolution_pointwise.binary(
            x, x, packed, None, *options, "add", None, "relu", [], None
        )
    except (AttributeError, RuntimeError, TypeError) as error:
        return f"this PyTorch's fused convolutions have another form: {first_line(error)}"
    right = bool((one == 1).all()) and bool((two == 2).all())
    return "" if right else "this PyTorch's fused convolutions compute something else"


def channels_last(net: fx.GraphModule) -> None:
    """Let the input's channels lie side by side, and give outputs the usual layout."""
    (placeholder,) = (node for node in net.graph.nodes if node.op == "placeholder")
    with net.graph.inserting_after(placeholder):
        laid = net.graph.call_method("contiguous", (placeholder,), {"memory_format": torch.channels_last})
    laid.meta = dict(placeholder.meta)
    placeholder.replace_all_uses_with(laid, delete_user_cb=lambda user: user is not laid)
    (output,) = (node for node in net.graph.nodes if node.op == "output")

    def usual(node: fx.Node) -> fx.Node:
        if len(node.meta.get("shape", ())) != 4:
            return node
        with net.graph.inserting_before(output):
            return net.graph.call_method("contiguous", (node,))

    output.args = (fx.node.map_arg(output.args[0], usual),)


def _fits(conv: Conv) -> bool:
    float32 = conv.weight.dtype is torch.float32 and conv.weight.device.type == "cpu"
    return float32 and len(conv.x.meta.get("shape", ())) == 4


def _fuse_one(net: fx.GraphModule, node: fx.Node, conv: Conv, constants: Constants) -> None:
    """Replace a convolution, with the sum and the activation after it where it can take them."""
    options = conv.padding, conv.stride, conv.dilation, conv.groups
    with torch.no_grad():
        weight = torch.ops.mkldnn._reorder_convolution_weight(
            conv.weight.detach().contiguous(), *options, list(conv.x.meta["shape"])
        )
    packed = _Packed(net, constants, weight, conv.bias)
    target, user = node, only_user(node)
    other = _added(node, user)
    function: Any = torch.ops.mkldnn._convolution_pointwise.default
    others: tuple[fx.Node, ...] = ()
    tail: tuple[Any, ...] = ("none", [], "")
    if user is not None and other is not None:
        target, after = user, only_user(user)
        relu = after is not None and after.target is F.relu and not after.kwargs
        if after is not None and relu:
            target = after
        function, others = torch.ops.mkldnn._convolution_pointwise.binary, (other,)
        tail = ("add", None, "relu" if relu else None, [], None)
    elif user is not None and (activation := _activation(user)) is not None:
        target, tail = user, activation
    with net.graph.inserting_before(target):
        new = net.graph.call_function(function, (conv.x, *others, *packed.nodes(), *options, *tail))
    new.meta = dict(target.meta)
    target.replace_all_uses_with(new)
    while target is not node:
        before = next(each for each in target.all_input_nodes if each is node or each is user)
        net.graph.erase_node(target)
        target = before
    net.graph.erase_node(node)


class _Packed:
    """The parameters of one fused convolution.

    A packed weight is no buffer: it cannot be copied.
    """

    def __init__(self, net: fx.GraphModule, constants: Constants, weight: Tensor, bias: Tensor | None) -> None:
        self.net, self.constants, self.bias = net, constants, bias
        self.name = f"packed_{sum(name.startswith('packed_') for name in vars(net))}"
        object.__setattr__(net, self.name, weight)

    def nodes(self) -> tuple[fx.Node, fx.Node | None]:
        """Add weight and bias where the graph inserts."""
        bias = None if self.bias is None else self.constants.node(self.bias)
        return self.net.graph.create_node("get_attr", self.name), bias


def _added(node: fx.Node, user: fx.Node | None) -> fx.Node | None:
    """Return what a convolution's output is added to, of the same shape; None if it is not."""
    if user is None or user.target not in (operator.add, torch.add) or len(user.args) != 2 or user.kwargs:
        return None
    other = user.args[1] if user.args[0] is node else user.args[0]
    if not isinstance(other, fx.Node) or other.meta.get("shape") != node.meta.get("shape"):
        return None
    return other


def _activation(node: fx.Node) -> tuple[str, list[Any], str] | None:
    """Return an activation as oneDNN's operators name it: name, numbers, algorithm."""
    if node.target in _PLAIN and not node.kwargs:
        return _PLAIN[node.target], [], ""
    if node.target is F.leaky_relu:
        slope = node.kwargs.get("negative_slope", node.args[1] if len(node.args) > 1 else 0.01)
        return "leaky_relu", [slope], ""
    if node.target is F.gelu:
        return "gelu", [], str(node.kwargs.get("approximate", "none"))
    return ("hardtanh", [0.0, 6.0], "") if node.target is F.relu6 else None


_PLAIN: dict[Any, str] = {
    F.relu: "relu",
    F.silu: "swish",
    F.hardswish: "hardswish",
    F.hardsigmoid: "hardsigmoid",
    torch.sigmoid: "sigmoid",
    torch.tanh: "tanh",
}
