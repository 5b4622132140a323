"""Tracing a module by torch.fx, only as deep as its wanted maps lie.

Tracing looks only into modules that contain a wanted one, and calls every other module as it is. So
it reaches a module deep inside a network without tracing the network, and other modules may have
any control flow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import fx, nn

from zoo_core.errors import FeatureError


class _Reached(Exception):  # noqa: N818 - no error: it ends a trace whose wanted modules have all run
    """Raised where the last wanted module returns."""


class _Tracer(fx.Tracer):
    """A tracer into the ancestors of the wanted modules, which notes what those return."""

    def __init__(self, wanted: Sequence[str], function: str, *, stops: bool) -> None:
        super().__init__()
        self.wanted = set(wanted)
        self.traced_func_name = function
        self.stops = stops
        self.outputs: dict[str, Any] = {}

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return not any(name.startswith(f"{module_qualified_name}.") for name in self.wanted)

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        output = super().call_module(m, forward, args, kwargs)
        name = self.path_of_module(m)
        if name in self.wanted and name not in self.outputs:
            self.outputs[name] = output
            if self.stops and len(self.outputs) == len(self.wanted):
                raise _Reached
        return output


def trace_maps(net: nn.Module, names: Sequence[str], function: str = "forward") -> fx.Graph:
    """Return the smallest graph of `net.function` that returns the named modules' outputs.

    Raises:
        FeatureError: where torch.fx cannot trace the way to a named module, or a named module does
            not run.
    """
    tracer = _Tracer(names, function, stops=False)
    try:
        graph = tracer.trace(net)
    except Exception as error:
        raise FeatureError(f"torch.fx cannot trace {type(net).__name__}: {error}. Use feature_cls='hook'") from error
    if missing := [name for name in names if name not in tracer.outputs]:
        raise FeatureError(f"the forward did not run module {missing[0]!r}, whose output is wanted")
    (output,) = (node for node in graph.nodes if node.op == "output")
    graph.erase_node(output)
    outputs = tuple(tracer.outputs[name] for name in names)
    graph.output(fx.node.map_aggregate(outputs, lambda value: value.node if isinstance(value, fx.Proxy) else value))
    # Remove calls of modules too, which torch.fx keeps by default.
    graph.eliminate_dead_code(lambda node: node.op in ("placeholder", "output"))
    for placeholder in [node for node in graph.nodes if node.op == "placeholder"][1:]:
        if not placeholder.users:
            graph.erase_node(placeholder)
    return graph


def modules_before(net: nn.Module, names: Sequence[str], function: str = "forward") -> set[nn.Module] | None:
    """Return the modules that run, in train or in eval mode, until the named modules have run.

    A module that the trace calls counts with all modules inside it, and one whose parameters it
    reads counts too. None means that torch.fx cannot trace `net`.
    """
    ran: set[nn.Module] = set()
    reached = False
    with kept_modes(net):
        for training in (True, False):
            tracer = _Tracer(names, function, stops=True)
            try:
                tracer.trace(net.train(training))
            except _Reached:
                reached = True
            except Exception:  # a module's forward may raise anything when it meets a proxy
                return None
            for node in tracer.graph.nodes:
                if node.op == "call_module":
                    ran.update(net.get_submodule(node.target).modules())
                elif node.op == "get_attr":
                    ran.add(net.get_submodule(node.target.rpartition(".")[0]))
    return ran if reached else None


@contextmanager
def kept_modes(net: nn.Module) -> Iterator[None]:
    """Restore the mode, train or eval, of every module of `net` afterwards."""
    modes = [(module, module.training) for module in net.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
