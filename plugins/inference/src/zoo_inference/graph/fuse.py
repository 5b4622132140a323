"""Convolutions of a graph that end in an activation, a sum, or both."""

from __future__ import annotations

import operator
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, fx

from zoo_inference.graph import onednn
from zoo_inference.graph.fold import tidy
from zoo_inference.graph.nodes import CONV, Conv, added, only_user, read_conv, sum_of
from zoo_inference.graph.trace import copied
from zoo_inference.refused import Refused


def fuse(net: fx.GraphModule) -> tuple[fx.GraphModule, int]:
    """Return a graph with fused convolutions in place of those of `fold`, and how many there are.

    Maps lie channels last inside; outputs have the layout of the network's own.

    Raises:
        Refused: where this PyTorch has not the operators, or the network no such convolution.
    """
    if problem := onednn.missing():
        raise Refused(problem)
    net = copied(net)
    fused = 0
    for node in list(net.graph.nodes):
        if node.target is CONV and (conv := read_conv(net, node)) is not None and _fits(conv):
            _fuse_one(net, node, conv)
            fused += 1
    if not fused and not any(_convolves(node) for node in net.graph.nodes):
        raise Refused("it has no 2d convolution in float32")
    _overwrite(net.graph)
    channels_last(net)
    return tidy(net), fused


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


def _fuse_one(net: fx.GraphModule, node: fx.Node, conv: Conv) -> None:
    """Replace a convolution, with the sum and the activation after it where it can take them."""
    options = conv.padding, conv.stride, conv.dilation, conv.groups
    weight = onednn.packed(conv.weight, options, conv.x.meta["shape"])
    target, user = node, only_user(node)
    other = added(node, user)
    function: Any = onednn.convolve
    others: tuple[fx.Node, ...] = ()
    tail: tuple[Any, ...] = ()
    if user is not None and other is not None:
        target, after = user, only_user(user)
        relu = after is not None and after.target is F.relu and not after.kwargs
        if after is not None and relu:
            target = after
        function, others = onednn.add, (other,)
        tail = ("relu" if relu else None,)
    elif user is not None and (activation := _activation(user)) is not None:
        target, tail = user, activation
    with net.graph.inserting_before(target):
        parameters = _kept(net, weight), _kept(net, conv.bias)
        new = net.graph.call_function(function, (conv.x, *others, *parameters, *options, *tail))
    new.meta = dict(target.meta)
    target.replace_all_uses_with(new)
    while target is not node:
        before = next(each for each in target.all_input_nodes if each is node or each is user)
        net.graph.erase_node(target)
        target = before
    net.graph.erase_node(node)


def _kept(net: fx.GraphModule, parameter: Tensor | None) -> fx.Node | None:
    """Add a node with this parameter where the graph inserts.

    It is an attribute past `nn.Module.__setattr__`: a packed weight is no buffer, since it cannot
    be copied, and an attribute is found faster than a buffer.
    """
    if parameter is None:
        return None
    name = f"kept_{sum(name.startswith('kept_') for name in vars(net))}"
    object.__setattr__(net, name, parameter.detach())
    return net.graph.create_node("get_attr", name)


def _overwrite(graph: fx.Graph) -> None:
    """Let sums and activations write over a map that nothing reads any more.

    That map must be a convolution's, and its other users must be convolutions before them, which
    neither keep it nor return a view of it.
    """
    place = {node: index for index, node in enumerate(graph.nodes)}
    own = {node for node in graph.nodes if _convolves(node)}

    def free(node: fx.Node, x: Any) -> bool:
        others = [user for user in x.users if user is not node]
        return x in own and all(_convolves(user) and place[user] < place[node] for user in others)

    for node in graph.nodes:
        if node.target is onednn.add:
            x, other, *rest = node.args
            if other is not x and free(node, other):
                node.target, node.args = onednn.add_to, (other, x, *rest)
        elif (terms := sum_of(node)) is not None and any(free(node, term) for term in terms):
            node.target, node.args = operator.iadd, terms if free(node, terms[0]) else terms[::-1]
            own.add(node)
        elif node.target in _IN_PLACE and free(node, node.args[0]):
            node.kwargs = {**node.kwargs, "inplace": True}
            own.add(node)


_IN_PLACE = (F.relu, F.relu6, F.leaky_relu, F.elu, F.silu, F.mish, F.hardswish, F.hardsigmoid)


def _convolves(node: fx.Node) -> bool:
    """Tell whether a node is a convolution whose output is a new map."""
    if node.op == "call_module":
        net = node.graph.owning_module
        return net is not None and isinstance(net.get_submodule(str(node.target)), onednn.Convolution)
    return node.target in (onednn.convolve, onednn.add, onednn.add_to)


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
