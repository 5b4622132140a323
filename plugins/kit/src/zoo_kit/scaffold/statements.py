"""Python statements for the nodes of a graph, as a method of the network has them."""

from __future__ import annotations

import operator
from typing import Any

from torch.fx.node import Node, _get_qualified_name
from zoo_core.errors import PluginError

_OPERATORS = {
    operator.add: "+",
    operator.sub: "-",
    operator.mul: "*",
    operator.truediv: "/",
    operator.floordiv: "//",
    operator.matmul: "@",
    operator.iadd: "+",
    operator.imul: "*",
}
_DEFAULTS = {
    "stride": None,
    "padding": 0,
    "dilation": 1,
    "ceil_mode": False,
    "return_indices": False,
    "count_include_pad": True,
}
"""Defaults of functions in torch.nn.functional, which a traced graph spells out."""


class Writer:
    """Writes nodes as Python. A value that is the only one used later is called ``x``."""

    def __init__(self, nodes: list[Node], training_nodes: list[Node], alone: set[Node]) -> None:
        self.names = {node: "x" if node in alone else node.name for node in nodes}
        self.constants = {node for node in nodes if node.op == "get_attr"}
        same = len(nodes) == len(training_nodes)
        self.training = dict(zip(nodes, training_nodes, strict=True)) if same else {}

    def statement(self, node: Node) -> str:
        """Return a node as an assignment."""
        return f"{self.names[node]} = {self.expression(node)}"

    def expression(self, node: Node) -> str:
        """Return the expression of a node.

        Raises:
            PluginError: for a function that is not torch's, as the plugin could not import it.
        """
        words = [self.value(argument) for argument in node.args]
        for key, value in node.kwargs.items():
            # A function that works in place would change the map that the module before it yields.
            if key != "inplace" and not (key in _DEFAULTS and value == _DEFAULTS[key]):
                words.append(f"{key}={self.keyword(node, key, value)}")
        if node.op == "call_module":
            return f"{dotted(str(node.target))}({', '.join(words)})"
        if node.op == "call_method":
            return f"{words[0]}.{node.target}({', '.join(words[1:])})"
        if node.target in _OPERATORS and len(words) == 2:
            return f"{words[0]} {_OPERATORS[node.target]} {words[1]}"
        if node.target is operator.getitem:
            return f"{words[0]}[{self.index(node.args[1])}]"
        if node.target is getattr:
            return f"{words[0]}.{node.args[1]}"
        name = _get_qualified_name(node.target)  # type: ignore[arg-type] # a function
        if not name.startswith("torch."):
            raise PluginError(f"its forward calls {name}, which cannot be written down: write forward_stages by hand")
        return f"{name.replace('torch.nn.functional.', 'functional.')}({', '.join(words)})"

    def keyword(self, node: Node, key: str, value: Any) -> str:
        """Return a keyword argument; one that differs in training follows the network's mode."""
        twin = self.training.get(node)
        if twin is not None and twin.kwargs.get(key) != value and isinstance(value, bool):
            return "self.training"
        return self.value(value)

    def index(self, argument: Any) -> str:
        """Return an index, as between brackets."""
        return ", ".join(map(self.slice, argument)) if isinstance(argument, tuple) else self.slice(argument)

    def slice(self, argument: Any) -> str:
        """Return the index of one axis."""
        if not isinstance(argument, slice):
            return self.value(argument)
        ends = ("" if end is None else self.value(end) for end in (argument.start, argument.stop))
        return ":".join(ends) + (f":{self.value(argument.step)}" if argument.step is not None else "")

    def value(self, argument: Any) -> str:
        """Return an argument."""
        if isinstance(argument, Node):
            return dotted(str(argument.target)) if argument in self.constants else self.names[argument]
        if isinstance(argument, tuple):
            inner = ", ".join(map(self.value, argument))
            return f"({inner},)" if len(argument) == 1 else f"({inner})"
        if isinstance(argument, list):
            return f"[{', '.join(map(self.value, argument))}]"
        if isinstance(argument, str):
            return f'"{argument}"'
        return repr(argument)


def dotted(target: str) -> str:
    """Return ``self.features[3].conv`` for ``features.3.conv``.

    The name of a child of a Sequential needs `getattr`: ``getattr(self, "0").conv``.
    """
    first, dot, rest = target.partition(".")
    if first.isdigit():
        return f'getattr(self, "{first}")' + (dotted(rest).removeprefix("self") if dot else "")
    return "self" + "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in target.split("."))
