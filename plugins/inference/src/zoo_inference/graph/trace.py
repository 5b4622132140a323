"""From a network to its graph: traced by torch.fx, without what does nothing in eval mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, fx, nn

from zoo_inference.refused import Refused

NOTHING = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
"""Modules that return their input in eval mode."""
ACTIVATIONS: dict[type[nn.Module], tuple[Callable[..., Any], tuple[str, ...]]] = {
    nn.ReLU: (F.relu, ()),
    nn.LeakyReLU: (F.leaky_relu, ("negative_slope",)),
    nn.ReLU6: (F.relu6, ()),
    nn.ELU: (F.elu, ("alpha",)),
    nn.SiLU: (F.silu, ()),
    nn.Hardswish: (F.hardswish, ()),
    nn.Hardsigmoid: (F.hardsigmoid, ()),
    nn.Sigmoid: (torch.sigmoid, ()),
    nn.Tanh: (torch.tanh, ()),
    nn.GELU: (F.gelu, ("approximate",)),
    nn.Mish: (F.mish, ()),
}
"""The function of an activation's module, and the attributes that it is called with."""


def trace(net: nn.Module, example: Tensor) -> fx.GraphModule:
    """Return the graph of a network in eval mode, with the shapes that `example` gives its nodes.

    The result shares the network's modules, and never changes them.

    Raises:
        Refused: where torch.fx cannot trace the network.
    """
    try:
        graph = fx.Tracer().trace(net)
    except Exception as error:  # a module's forward may raise anything when it meets a proxy
        raise Refused(f"torch.fx cannot trace it: {first_line(error)}") from error
    if sum(node.op == "placeholder" for node in graph.nodes) != 1:
        for node in [node for node in graph.nodes if node.op == "placeholder"][1:]:
            if node.users or not node.args:
                raise Refused("it takes more than one tensor")
            graph.erase_node(node)
    traced = fx.GraphModule(net, graph)
    _drop_nothing(traced)
    _activations_to_functions(traced)
    add_shapes(traced, example)
    traced.recompile()
    return traced


def copied(net: fx.GraphModule) -> fx.GraphModule:
    """Return a graph of its own over the same modules and constants."""
    graph = fx.Graph()
    nodes: dict[fx.Node, fx.Node] = {}
    output = graph.graph_copy(net.graph, nodes)
    graph.output(output)
    for old, new in nodes.items():
        new.meta = dict(old.meta)
    return fx.GraphModule(net, graph)


def add_shapes(net: fx.GraphModule, example: Tensor) -> None:
    """Note in every node the shape of its tensor, in ``node.meta["shape"]``."""
    with torch.no_grad():
        _Shapes(net).run(example)


class _Shapes(fx.Interpreter):
    """Runs a graph and notes the shape of every tensor; tensors are freed as they are used up."""

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        n.meta.pop("shape", None)
        if isinstance(result, Tensor):
            n.meta["shape"] = tuple(result.shape)
        return result


def _drop_nothing(net: fx.GraphModule) -> None:
    for node in list(net.graph.nodes):
        if node.op == "call_module":
            module = net.get_submodule(str(node.target))
            nothing = isinstance(module, NOTHING) and type(module).forward in [each.forward for each in NOTHING]
        else:
            nothing = node.target is F.dropout and _argument(node, 2, "training", True) is False
        if nothing and not (isinstance(node, fx.Node) and node.op == "call_module" and module.training):
            node.replace_all_uses_with(node.args[0])
            net.graph.erase_node(node)


def _argument(node: fx.Node, index: int, name: str, default: Any) -> Any:
    return node.args[index] if len(node.args) > index else node.kwargs.get(name, default)


def _activations_to_functions(net: fx.GraphModule) -> None:
    """Make activations functions of their input, also those that work in place.

    Where the input has other users after an activation in place, they see the activated values.
    """
    order = {node: index for index, node in enumerate(net.graph.nodes)}
    for node in list(net.graph.nodes):
        if node.op == "call_module":
            module = net.get_submodule(str(node.target))
            if type(module) not in ACTIVATIONS:
                continue
            function, names = ACTIVATIONS[type(module)]
            options = {name: getattr(module, name) for name in names}
            inplace = bool(getattr(module, "inplace", False))
        elif node.op == "call_function" and node.target in _FUNCTIONS and node.kwargs.get("inplace"):
            function, inplace = node.target, True
            options = {name: value for name, value in node.kwargs.items() if name != "inplace"}
        else:
            continue
        x = node.args[0]
        with net.graph.inserting_before(node):
            new = net.graph.call_function(function, node.args, options)
        order[new] = order[node]
        node.replace_all_uses_with(new)
        if inplace:
            x.replace_all_uses_with(new, delete_user_cb=lambda user, now=order[node]: order[user] > now)
        net.graph.erase_node(node)


_FUNCTIONS = {function for function, _ in ACTIVATIONS.values()}


def first_line(error: BaseException) -> str:
    """Return the beginning of an error's message, with its type."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:160]}"
