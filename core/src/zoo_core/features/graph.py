"""The wrapper on torch.fx: the smallest graph that yields the wanted maps, see `zoo_core.features.trace`."""

from __future__ import annotations

import copy
import re
from collections import OrderedDict
from collections.abc import Callable
from types import ModuleType
from typing import Any

from torch import Tensor, fx, nn

from zoo_core.features.collect import find_modules, joined
from zoo_core.features.info import FeatureInfo, feature_table
from zoo_core.features.stages import Indices, map_names
from zoo_core.features.trace import kept_modes, trace_maps


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
        feature_concat: bool | None = None,
    ) -> None:
        """Trace `net`, which is not changed.

        Args:
            net: any module.
            out_indices: which maps, see `zoo_core.features.indices.feature_indices`.
            out_map: keys of the maps, for `return_dict`; by default each map's index as a string.
            return_dict: return a dict instead of a list.
            feature_info: what maps there are, for a module that has no ``feature_info`` of its own: a list of dicts of
                ``num_chs``, ``reduction`` and ``module``.
            feature_concat: what becomes of a list that a module returns, see `zoo_core.features.collect.joined`.

        Raises:
            FeatureError: for indices or modules that do not exist, and when a module on the way to a wanted one cannot
                be traced.
        """
        super().__init__()
        self.feature_info = FeatureInfo(feature_info or feature_table(net), out_indices)
        self.keys = map_names(self.feature_info, out_map)
        self.return_dict = return_dict
        self.feature_concat = feature_concat
        for attribute in ("default_cfg", "pretrained_cfg"):
            if hasattr(net, attribute):
                setattr(self, attribute, getattr(net, attribute))
        names = list(find_modules(net, self.feature_info.module_name()))
        # A network's walk ends before its head; other tables may name modules of the head.
        own_walk = feature_info is None and callable(getattr(net, "forward_stages", None))
        function = "forward_features" if own_walk else "forward"
        with kept_modes(net):
            graphs = {training: trace_maps(net.train(training), names, function) for training in (True, False)}
        for graph in graphs.values():
            for node in graph.nodes:
                if node.op in ("call_module", "get_attr"):
                    _adopt_path(self, net, node.target)
        self._sources = {training: _source(graph) for training, graph in graphs.items()}
        self.training = net.training  # alone: each module keeps the mode that it has in the network
        self._compile()

    def _compile(self) -> None:
        self._runs = {training: _function(source) for training, source in self._sources.items()}

    def forward(self, x: Tensor) -> list[Tensor] | OrderedDict[str, Tensor]:
        """Images (batch, in_chans, height, width) to maps, each (batch, channels, height, width)."""
        maps = [joined(output, self.feature_concat) for output in self._runs[self.training](self, x)]
        return OrderedDict(zip(self.keys, maps, strict=True)) if self.return_dict else maps

    def __getstate__(self) -> dict[str, Any]:
        """Without the compiled functions, which are made again from their source."""
        return {name: value for name, value in vars(self).items() if name != "_runs"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Compile the functions again."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._compile()


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
