"""Tracing a module by torch.fx only as deep as its wanted maps lie, and only as far as they need.

Tracing looks only into modules that contain a wanted one; every other module is called as it is. So a module deep
inside a network can be tapped without tracing the network, and whatever a module does by itself (control flow, train
and eval mode) stays its own.
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
    """Traces into the ancestors of the wanted modules alone, and notes what the wanted ones return."""

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
    """The smallest graph of the method `function` of `net` that returns the outputs of the named modules, as a tuple.

    Raises:
        FeatureError: when a module on the way to a named one cannot be traced, or a named one does not run.
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
    # Calls of modules past the last wanted map count as pure here: their results are not wanted.
    graph.eliminate_dead_code(lambda node: node.op in ("placeholder", "output"))
    for placeholder in [node for node in graph.nodes if node.op == "placeholder"][1:]:
        if not placeholder.users:
            graph.erase_node(placeholder)
    return graph


def modules_before(net: nn.Module, names: Sequence[str], function: str = "forward") -> set[nn.Module] | None:
    """What has run, in train or in eval mode, by the time the named modules have; None where torch.fx cannot tell.

    Modules that the trace calls count with all inside them, and those whose parameters it reads.
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
    """Put every module of `net` back into the mode, train or eval, that it had."""
    modes = [(module, module.training) for module in net.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
