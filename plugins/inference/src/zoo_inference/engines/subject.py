"""What an engine is built from: the network, an input, and what engines share."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from zoo_inference.engines.memory import images_at_once, keep_freed
from zoo_inference.graph.fold import fold
from zoo_inference.graph.trace import add_shapes, trace
from zoo_inference.refused import Refused

Run = Callable[[Tensor], Any]
"""An engine: called as the network is, it returns what the network returns."""


class Subject:
    """A network in eval mode and one of its inputs.

    Args:
        net: the network; nobody changes it.
        example: an input.
        program: an ONNX file of the network from an earlier session, instead of a new export.
    """

    def __init__(self, net: nn.Module, example: Tensor, program: bytes | None = None) -> None:
        self.net = net
        self.example = example
        # For what is the same at any batch size: a large batch may take seconds.
        self.few = example[:2]
        if program is not None:
            self.program = program
        keep_freed()

    @cached_property
    def _traced(self) -> fx.GraphModule | Refused:
        try:
            return trace(self.net, self.few)
        except Refused as reason:
            return reason

    @cached_property
    def part(self) -> Tensor:
        """As many of the example's images as are best computed at once."""
        if isinstance(self._traced, Refused):
            return self.example
        return self.example[: images_at_once(self._traced, self.few, len(self.example))]

    @cached_property
    def _graph(self) -> fx.GraphModule | Refused:
        if not isinstance(self._traced, Refused) and len(self.part) != len(self.few):
            add_shapes(self._traced, self.part)
        return self._traced if isinstance(self._traced, Refused) else fold(self._traced)[0]

    @property
    def graph(self) -> fx.GraphModule:
        """The network's graph, its norms folded, with the shapes that `part` gives it.

        Raises:
            Refused: where torch.fx cannot trace the network.
        """
        if isinstance(self._graph, Refused):
            raise Refused(str(self._graph))
        return self._graph

    @property
    def best(self) -> nn.Module:
        """The graph, or the network itself where it has none."""
        return self.net if isinstance(self._graph, Refused) else self._graph

    @cached_property
    def program(self) -> bytes:
        """The network as an ONNX file, its norms folded, for any batch size."""
        from zoo_inference.engines.onnx_program import export

        return export(Flat(self.best), self.few)

    @cached_property
    def structure(self) -> pytree.TreeSpec:
        """How the outputs are arranged: a tensor, a list, a dict."""
        with torch.no_grad():
            leaves, structure = pytree.tree_flatten(self.net(self.few))
        if not all(isinstance(leaf, Tensor) for leaf in leaves):
            raise Refused("it returns something that is no tensor")
        return structure

    def arranged(self, tensors: Any) -> Any:
        """Return flat outputs as the network arranges them."""
        return pytree.tree_unflatten(list(tensors), self.structure)


class Flat(nn.Module):
    """A network whose outputs are a flat tuple, for tracers that know no other."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Run the network."""
        leaves, _ = pytree.tree_flatten(self.net(x))
        return tuple(leaves)
