"""The wrapper on torch.fx: the smallest graph that yields the wanted maps, of any module that can be traced so far.

Tracing looks only into modules that contain a wanted one; every other module is called as it is. So a module deep
inside a network can be tapped without tracing the network, and whatever a module does by itself (control flow, train
and eval mode) stays its own.
"""

from __future__ import annotations

import copy
import re
from collections import OrderedDict
from collections.abc import Callable
from types import ModuleType
from typing import Any

from torch import Tensor, fx, nn

from zoo_core.errors import FeatureError
from zoo_core.features.info import FeatureInfo, feature_table
from zoo_core.features.stages import Indices, map_names


class FeatureGraphNet(nn.Module):
    """A module that returns the outputs of some of a network's modules, by a graph that has nothing else in it.

    Modules keep their names, so the keys of the state dict are the network's. Train and eval mode are traced each.
    """

    def __init__(
        self,
        net: nn.Module,
        out_indices: Indices = None,
        out_map: list[str] | tuple[str, ...] | None = None,
        return_dict: bool = False,
        feature_info: list[dict[str, Any]] | None = None,
    ) -> None:
        """Trace `net`, which is not changed.

        Args:
            net: any module.
            out_indices: which maps, see `zoo_core.features.indices.feature_indices`.
            out_map: keys of the maps, for `return_dict`; by default each map's index as a string.
            return_dict: return a dict instead of a list.
            feature_info: what maps there are, for a module that has no ``feature_info`` of its own: a list of dicts of
                ``num_chs``, ``reduction`` and ``module``.

        Raises:
            FeatureError: when a module on the way to a wanted one cannot be traced.
        """
        super().__init__()
        self.feature_info = FeatureInfo(feature_info or feature_table(net), out_indices)
        self.keys = map_names(self.feature_info, out_map)
        self.return_dict = return_dict
        for attribute in ("default_cfg", "pretrained_cfg"):
            if hasattr(net, attribute):
                setattr(self, attribute, getattr(net, attribute))
        names = self.feature_info.module_name()
        mode = net.training
        try:
            graphs = {training: _trace(net.train(training), names) for training in (True, False)}
        finally:
            net.train(mode)
        for graph in graphs.values():
            for node in graph.nodes:
                if node.op in ("call_module", "get_attr"):
                    _adopt_path(self, net, node.target)
        self._sources = {training: _source(graph) for training, graph in graphs.items()}
        self.train(mode)
        self._compile()

    def _compile(self) -> None:
        self._runs = {training: _function(source) for training, source in self._sources.items()}

    def forward(self, x: Tensor) -> list[Tensor] | OrderedDict[str, Tensor]:
        """Images (batch, in_chans, height, width) to maps, each (batch, channels, height, width)."""
        maps = list(self._runs[self.training](self, x))
        return OrderedDict(zip(self.keys, maps, strict=True)) if self.return_dict else maps

    def __getstate__(self) -> dict[str, Any]:
        """Without the compiled functions, which are made again from their source."""
        return {name: value for name, value in vars(self).items() if name != "_runs"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Compile the functions again."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._compile()


class _Tracer(fx.Tracer):
    """Traces into the ancestors of the wanted modules alone, and notes what the wanted ones return."""

    def __init__(self, wanted: list[str]) -> None:
        super().__init__()
        self.wanted = set(wanted)
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
        return output


def _trace(net: nn.Module, names: list[str]) -> fx.Graph:
    modules = dict(net.named_modules())
    for name in names:
        if name not in modules:
            from zoo_core.errors import did_you_mean

            raise FeatureError(f"{type(net).__name__} has no module {name!r}{did_you_mean(name, modules)}")
    tracer = _Tracer(names)
    if callable(getattr(net, "forward_stages", None)):
        tracer.traced_func_name = "forward_features"
    try:
        graph = tracer.trace(net)
    except Exception as error:
        raise FeatureError(f"torch.fx cannot trace {type(net).__name__}: {error}. Use feature_cls='hook'") from error
    if missing := [name for name in names if name not in tracer.outputs]:
        raise FeatureError(f"the forward did not run module {missing[0]!r}, whose output is wanted")
    (output,) = (node for node in graph.nodes if node.op == "output")
    graph.erase_node(output)
    graph.output(tuple(tracer.outputs[name].node for name in names))
    # Calls of modules past the last wanted map count as pure here: their results are not wanted.
    graph.eliminate_dead_code(lambda node: node.op in ("placeholder", "output"))
    for placeholder in [node for node in graph.nodes if node.op == "placeholder"][1:]:
        if not placeholder.users:
            graph.erase_node(placeholder)
    return graph


def _adopt_path(target: nn.Module, source: nn.Module, path: str) -> None:
    """Register what lies at `path` in `source` at the same path in `target`, with plain modules on the way."""
    *parents, name = path.split(".")
    for parent in parents:
        source = source.get_submodule(parent)
        if parent not in target._modules:
            target.add_module(parent, nn.Module().train(source.training))
        target = target.get_submodule(parent)
    value = getattr(source, name)
    if isinstance(value, nn.Module):
        target.add_module(name, value)
    elif isinstance(value, nn.Parameter):
        target.register_parameter(name, value)
    elif isinstance(value, Tensor):
        target.register_buffer(name, value, persistent=name not in source._non_persistent_buffers_set)
    else:
        setattr(target, name, copy.copy(value))


def _source(graph: fx.Graph) -> str:
    """The graph as Python, with the imports that its names need."""
    code = graph.python_code("self")
    imports = ["import torch"]
    for name, value in code.globals.items():
        if not re.search(rf"\b{name}\b", code.src):
            continue
        if isinstance(value, ModuleType):
            imports.append(f"import {value.__name__} as {name}")
        elif hasattr(value, "__qualname__"):
            imports.append(f"from {value.__module__} import {value.__qualname__} as {name}")
        else:  # inf and nan, which have no literal, and quoted annotations
            imports.append(f"{name} = {type(value).__name__}({str(value)!r})")
    return "\n".join([*imports, code.src])


def _function(source: str) -> Callable[[nn.Module, Tensor], tuple[Tensor, ...]]:
    """The function that `source` defines: torch.fx's own printing of a graph that was traced in this process."""
    scope: dict[str, Any] = {}
    exec(compile(source, "<feature graph>", "exec"), scope)  # noqa: S102 - how torch.fx itself runs a graph
    function: Callable[[nn.Module, Tensor], tuple[Tensor, ...]] = scope["forward"]
    return function
