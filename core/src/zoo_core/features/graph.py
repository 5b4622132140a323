"""The wrapper by torch.fx: the smallest graph that yields the wanted maps."""

import copy
import hashlib
import linecache
import re
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor, fx, nn

from zoo_core.features.capture import find_modules, joined
from zoo_core.features.extractor import FeatureExtractor
from zoo_core.features.indices import Indices
from zoo_core.features.info import FeatureInfo, feature_table, has_walk, map_names
from zoo_core.features.layout import Conversion, convert_map
from zoo_core.features.trace import kept_modes, trace_maps


class FeatureGraphNet(FeatureExtractor):
    """A module that returns the outputs of a network's modules, by a graph of nothing else.

    Modules keep their names, so the keys of the state dict are the network's. Train and eval mode
    have a graph each. Every instance has a class of its own, whose methods are the two graphs, so
    that TorchScript can compile them.
    """

    feature_timms_prefix = "graph_module."

    if TYPE_CHECKING:  # attributes of the instance's own class
        sources: tuple[str, str]
        run_train: Callable[[Tensor], Any]
        run_eval: Callable[[Tensor], Any]

    def __init__(
        self,
        net: nn.Module,
        out_indices: Indices = None,
        out_map: list[str] | tuple[str, ...] | None = None,
        return_dict: bool = False,
        feature_info: list[dict[str, Any]] | None = None,
        feature_concat: bool | None = None,
        output_fmt: str = "NCHW",
    ) -> None:
        """Trace `net`, any module, which does not change; for the options see `wrap_features`.

        `feature_info` replaces the module's own: a list of dicts of ``num_chs``, ``reduction`` and
        ``module``.

        Raises:
            FeatureError: for indices or modules that do not exist, or where torch.fx cannot trace
                the way to a wanted module.
        """
        super().__init__()
        self.feature_info = FeatureInfo(feature_info or feature_table(net), out_indices, output_fmt)
        keys = map_names(self.feature_info, out_map)
        for attribute in ("default_cfg", "pretrained_cfg"):
            if hasattr(net, attribute):
                setattr(self, attribute, getattr(net, attribute))
        names = list(find_modules(net, self.feature_info.module_name()))
        # A network's walk ends before its head; other tables may name modules of the head.
        own_walk = feature_info is None and has_walk(net)
        function = "forward_features" if own_walk else "forward"
        with kept_modes(net):
            graphs = [trace_maps(net.train(training), names, function) for training in (True, False)]
        for graph in graphs:
            for node in graph.nodes:
                if node.op in ("call_module", "get_attr"):
                    _adopt_path(self, net, node.target)
            _convert_maps(graph, feature_concat, self.feature_info.conversions(net))
            _return_maps(graph, keys if return_dict else None)
        self.training = net.training  # alone: each module keeps the mode that it has in the network
        self.__class__ = _class_of(_source(graphs[0], "run_train"), _source(graphs[1], "run_eval"))

    def forward(self, x: Tensor):  # type: ignore[no-untyped-def]
        """Images (batch, in_chans, h, w) to maps, (batch, channels, h, w) by default."""
        if self.training:
            return self.run_train(x)
        return self.run_eval(x)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Pickle and copy by the graphs' source: the instance's class cannot be imported."""
        _, _, *rest = cast("tuple[Any, ...]", super().__reduce_ex__(protocol))
        return (_blank, self.sources, *rest)


def _adopt_path(target: nn.Module, source: nn.Module, path: str) -> None:
    """Register the attribute at `path` of `source` at the same path of `target`."""
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


def _convert_maps(graph: fx.Graph, concat: bool | None, conversions: list[Conversion]) -> None:
    """Let the maps that a graph returns pass through `joined` and `convert_map` first."""
    (output,) = (node for node in graph.nodes if node.op == "output")
    images = next(node for node in graph.nodes if node.op == "placeholder")
    maps = list(output.args[0])
    with graph.inserting_before(output):
        if concat is not None:
            maps = [graph.call_function(joined, (one, concat)) for one in maps]
        if conversions:
            pairs = zip(maps, conversions, strict=True)
            maps = [graph.call_function(convert_map, (one, images, how)) for one, how in pairs]
    output.args = (maps,)


def _return_maps(graph: fx.Graph, keys: list[str] | None) -> None:
    """Make a graph that returns a tuple of maps return a list or a dict of them."""
    (output,) = (node for node in graph.nodes if node.op == "output")
    maps = list(output.args[0])
    output.args = (maps if keys is None else dict(zip(keys, maps, strict=True)),)


def _source(graph: fx.Graph, name: str) -> str:
    """Return the graph as a method in Python, with the imports that its names need."""
    code = graph.python_code("self")
    imports = ["import torch"]
    for alias, value in code.globals.items():
        if not re.search(rf"\b{alias}\b", code.src):
            continue
        if isinstance(value, ModuleType):
            imports.append(f"import {value.__name__} as {alias}")
        elif hasattr(value, "__qualname__"):
            imports.append(f"from {value.__module__} import {value.__qualname__} as {alias}")
        else:  # inf and nan, which have no literal
            imports.append(f"{alias} = {type(value).__name__}({str(value)!r})")
    return "\n".join([*imports, code.src.replace("def forward(", f"def {name}(", 1)])


@cache
def _class_of(*sources: str) -> type[FeatureGraphNet]:
    """Return the class with these two methods, which torch.fx has printed from its graphs."""
    methods: dict[str, Any] = {}
    for source in sources:
        file = f"<feature graph {hashlib.sha256(source.encode()).hexdigest()}>"
        linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file  # TorchScript reads it there
        scope: dict[str, Any] = {"__name__": __name__}
        exec(compile(source, file, "exec"), scope)  # noqa: S102 - how torch.fx itself runs a graph
        methods |= {name: scope[name] for name in ("run_train", "run_eval") if name in scope}
    names = {name: getattr(FeatureGraphNet, name) for name in ("__module__", "__qualname__", "__doc__")}
    return type("FeatureGraphNet", (FeatureGraphNet,), {**names, **methods, "sources": sources})


def _blank(*sources: str) -> FeatureGraphNet:
    """Return an instance without content, for a pickle or a copy to fill."""
    kind = _class_of(*sources)
    return kind.__new__(kind)
