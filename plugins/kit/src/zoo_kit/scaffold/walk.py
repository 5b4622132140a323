"""A module's forward as a walk over stages: traced by torch.fx, and cut.

A cut is possible after a node whose value is the only one that later nodes use. A feature map is
the last such value of its size that a module yields, in any layout. The head starts at the pooling,
and the last linear layer gives the logits.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.node import Node
from torch.fx.passes.shape_prop import ShapeProp
from zoo_core.errors import PluginError

from zoo_kit.scaffold.layout import Layout, find_layouts, shape_of
from zoo_kit.scaffold.statements import Writer

_POOLS = ("pool", "mean", "flatten", "view", "reshape")
_SQUASHES = ("log_softmax", "softmax", "sigmoid")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Walk:
    """The stages of a module, in terms of its submodules."""

    first_conv: str
    classifier: str
    maps: tuple[str, ...]
    layouts: tuple[Layout, ...]
    """The layout of each map, and of the features before the head."""
    parts: tuple[tuple[str, ...], ...]
    """Names of the modules up to each map, of those after the last map, and of the head."""
    stages: tuple[tuple[str, ...], ...]
    """The statements of each part but the head, which take ``x`` to ``x``."""
    head: tuple[str, ...]
    """The statements from the features to the classifier's input."""
    logits: str
    """The expression of the classifier."""
    dropped: str
    """Functions after the classifier, such as a softmax, which the walk omits; mostly empty."""


class _Tracer(fx.Tracer):
    """Traces into the opened modules only, which span several resolutions."""

    def __init__(self, opened: set[str]) -> None:
        super().__init__()
        self.opened = opened

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return module_qualified_name not in self.opened


def find_walk(net: nn.Module, images: Tensor) -> Walk:
    """Trace the forward of `net` on some images, (batch, channels, height, width).

    Raises:
        PluginError: if torch.fx cannot trace it, or it is no walk over stages, with the reason.
    """
    opened = _spanning(net, images)
    graphs = {}
    for training in (True, False):
        try:
            graphs[training] = _Tracer(opened).trace(net.train(training))
        except Exception as error:
            raise PluginError(
                f"torch.fx cannot follow the forward of {type(net).__name__}: {' '.join(str(error).split())[:200]}. "
                "Write forward_stages by hand, into the network that `zoo new NAME` makes"
            ) from error
    module = fx.GraphModule(net.eval(), graphs[False])
    with torch.no_grad():
        ShapeProp(module).propagate(images)
    return _cut(net, list(module.graph.nodes), list(graphs[True].nodes))


def _spanning(net: nn.Module, images: Tensor) -> set[str]:
    """Return the modules to open: they span several resolutions or hold the classifier."""
    opened: set[str] = set()
    linears: list[str] = []
    names = {module: name for name, module in net.named_modules()}

    def look(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(module, nn.Linear):
            linears.append(names[module])
        given = inputs[0] if inputs else None
        if not isinstance(given, Tensor) or not isinstance(output, Tensor) or given.ndim != 4 or not names[module]:
            return
        if not list(module.children()):
            return
        has_conv = any(isinstance(part, nn.Conv2d) for part in module.modules())
        if (has_conv and output.ndim != 4) or (output.ndim == 4 and _shrinks(given, output, by_channels=has_conv)):
            opened.add(names[module])

    handles = [module.register_forward_hook(look) for module in names]
    with torch.no_grad():
        net.eval()(images)
    for handle in handles:
        handle.remove()
    path = linears[-1].split(".")[:-1] if linears else []
    return opened | {".".join(path[: depth + 1]) for depth in range(len(path))}


def _shrinks(given: Tensor, output: Tensor, *, by_channels: bool) -> bool:
    """Return True if the size falls below half, whether channels come second or last."""
    rows = given.shape[1] > 2 * output.shape[1] + 2
    columns = given.shape[2] > 2 * output.shape[2] + 2
    return columns if by_channels else rows and columns


def _cut(net: nn.Module, nodes: list[Node], training_nodes: list[Node]) -> Walk:
    kind = type(net).__name__
    modules = dict(net.named_modules())
    images, *body = [node for node in nodes if node.op not in ("output", "get_attr")]
    output = next(node for node in nodes if node.op == "output").args[0]
    if not isinstance(output, Node):
        raise PluginError(f"{kind} returns {type(output).__name__}, not one tensor of logits")
    alone = _alone([images, *body])
    linears = [node for node in body if node.op == "call_module" and isinstance(modules[str(node.target)], nn.Linear)]
    convs = [node for node in body if _has_conv(node, modules)]
    if not linears or not convs:
        raise PluginError(
            f"{kind} is not a convolutional network that ends with a linear layer: write forward_stages by hand"
        )
    logits, rest = linears[-1], body[body.index(linears[-1]) + 1 :]
    if any(not any(word in _called(node, modules) for word in _SQUASHES) for node in rest):
        raise PluginError(
            f"{kind} does more after its last linear layer {logits.target!r} than a softmax: write it by hand"
        )

    layouts = find_layouts([images, *body], modules, *shape_of(images)[2:])
    maps, end = _maps(kind, body, modules, alone, layouts)
    if len({layouts[node].prefix for node in maps if layouts[node].kind == "NLC"}) > 1:
        raise PluginError(f"{kind} has class tokens in some of its maps alone: write forward_stages by hand")

    writer = Writer(nodes, training_nodes, alone)
    bounds = [body.index(node) + 1 for node in maps]
    spans = [body[a:b] for a, b in zip([0, *bounds], [*bounds, end + 1], strict=True)]
    head = body[end + 1 : body.index(logits)]
    parts = tuple(tuple(dict.fromkeys(str(n.target) for n in span if n.op == "call_module")) for span in spans)
    tail = tuple(dict.fromkeys(str(n.target) for n in [*head, logits] if n.op == "call_module"))
    if len(logits.args) != 1 or (body[body.index(logits) - 1] not in alone):
        raise PluginError(f"{kind} uses more than the input of its last linear layer: write it by hand")
    return Walk(
        first_conv=_first_conv(str(convs[0].target), modules),
        classifier=str(logits.target),
        maps=tuple(str(node.target) for node in maps),
        layouts=tuple(layouts[node] for node in (*maps, body[end])),
        parts=(*parts, tail),
        stages=tuple(tuple(writer.statement(node) for node in span) for span in spans),
        head=tuple(writer.statement(node) for node in head),
        logits=writer.expression(logits),
        dropped=", ".join(_called(node, modules) for node in rest),
    )


def _maps(
    kind: str, body: list[Node], modules: dict[str, nn.Module], alone: set[Node], layouts: dict[Node, Layout]
) -> tuple[list[Node], int]:
    """Return the nodes of the feature maps, and the position of the last before the head."""

    def is_map(node: Node) -> bool:
        if node not in layouts or layouts[node].height * layouts[node].width == 1:  # pooled: it belongs to the head
            return False
        return not _pools(node, modules)

    spatial = [body.index(node) for node in body if _has_weights(node, modules) and is_map(node)]
    features: list[Node] = []
    for node in body[spatial[-1] :] if spatial else ():
        if not is_map(node):
            break
        features.append(node)
    ends = [node for node in features if node in alone]
    if not ends:
        raise PluginError(f"{kind} has no single feature map before its head: write forward_stages by hand")
    end = body.index(ends[-1])
    counts = Counter(str(node.target) for node in body if node.op == "call_module")
    by_size: dict[int, Node] = {}
    for node in body[: end + 1]:
        once = node.op == "call_module" and counts[str(node.target)] == 1
        if once and node in alone and is_map(node):
            by_size[layouts[node].height] = node
    maps = sorted(by_size.values(), key=body.index)
    last = layouts[body[end]]
    if not maps or (layouts[maps[-1]].channels, layouts[maps[-1]].height) != (last.channels, last.height):
        raise PluginError(f"{kind} has no module that yields its last feature map: write forward_stages by hand")
    return maps, end


def _alone(nodes: list[Node]) -> set[Node]:
    """Return the nodes whose value is the only one that later nodes use."""
    last_use = {node: max((nodes.index(user) for user in node.users if user in nodes), default=-1) for node in nodes}
    found = set()
    for position, node in enumerate(nodes):
        if all(last_use[earlier] <= position for earlier in nodes[:position]):
            found.add(node)
    return found


def _has_conv(node: Node, modules: dict[str, nn.Module]) -> bool:
    return node.op == "call_module" and any(isinstance(part, nn.Conv2d) for part in modules[str(node.target)].modules())


def _has_weights(node: Node, modules: dict[str, nn.Module]) -> bool:
    return node.op == "call_module" and next(modules[str(node.target)].parameters(), None) is not None


def _first_conv(name: str, modules: dict[str, nn.Module]) -> str:
    inner = next(key for key, part in modules[name].named_modules() if isinstance(part, nn.Conv2d))
    return f"{name}.{inner}" if inner else name


def _called(node: Node, modules: dict[str, nn.Module]) -> str:
    """Return the name of the module or function that a node runs, in lower case."""
    if node.op == "call_module":
        return type(modules[str(node.target)]).__name__.lower()
    return (node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")).lower()


def _pools(node: Node, modules: dict[str, nn.Module]) -> bool:
    return any(word in _called(node, modules) for word in _POOLS) and not _has_conv(node, modules)
