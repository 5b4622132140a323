"""The facts of a network for ``facts.json``: counted while it runs once, on the meta device too.

Multiply-adds and activations follow the convention of fvcore and of the tables that timm publishes:
one multiply-add for each pair of numbers that a convolution, a matrix product or an attention
multiplies, one activation for each number that it yields. Norms, poolings and activation functions
count nothing.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BATCH_NORM = torch.ops.aten.native_batch_norm.default


def facts_of(net: nn.Module, input_size: Sequence[int], *, fixed_input_size: bool = False) -> dict[str, Any]:
    """Measure a network's row of ``facts.json``, which `zoo_core.discovery.facts` reads.

    Args:
        net: any module that takes images, on any device. What it has of feature maps is read off
            its ``feature_info``, and their layouts, where that does not say them, off the maps.
        input_size: (channels, height, width) of the image to run.
        fixed_input_size: it takes no other size.

    Raises:
        Exception: what the network's own code raises when it runs.
    """
    table = [dict(row) for row in _feature_info(net)]
    with _evaluating(net), _watching(net, [row["module"] for row in table]) as maps, _Counter() as counted:
        net(torch.zeros(1, *input_size, device=_device(net)))
    layouts = [row.get("layout") or _layout(maps.get(row["module"]), row["num_chs"]) for row in table]
    facts: dict[str, Any] = {
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "macs": counted.macs,
        "activations": counted.activations,
        "input_size": list(input_size),
    }
    if fixed_input_size:
        facts["fixed_input_size"] = True
    if table:
        columns = {"channels": "num_chs", "reductions": "reduction", "modules": "module"}
        facts |= {column: [row[key] for row in table] for column, key in columns.items()}
    if set(layouts) - {"NCHW"}:
        facts["layouts"] = layouts[0] if len(set(layouts)) == 1 else layouts
    return facts


class QuickNorms(TorchDispatchMode):  # type: ignore[no-untyped-call] # torch leaves it untyped
    """Tell the shapes of batch norms on the meta device at once: torch takes 3 ms for each."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is _BATCH_NORM and args[0].is_meta:  # whose sizes torch has compared already
            return torch.empty_like(args[0]), args[0].new_empty(0), args[0].new_empty(0)
        return function(*args, **(kwargs or {}))


class _Counter(QuickNorms):  # type: ignore[no-untyped-call]
    """Count the multiply-adds and activations of everything that runs."""

    def __init__(self) -> None:
        super().__init__()
        self.macs = self.activations = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = super().__torch_dispatch__(function, types, args, kwargs)
        if count := flop_registry.get(function._overloadpacket):
            self.macs += count(*args, **(kwargs or {}), out_val=result) // 2
            self.activations += tree_leaves(result)[0].numel()
        return result


@contextmanager
def _evaluating(net: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients, and then each module's own mode again."""
    modes = {module: module.training for module in net.modules()}
    try:
        with torch.no_grad():
            net.eval()
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def _watching(net: nn.Module, names: list[str]) -> Iterator[dict[str, Tensor]]:
    """Keep what the named modules yield, under their names; one without tensors is left out."""
    found: dict[str, Tensor] = {}
    modules = dict(net.named_modules())

    def keep(name: str, result: object) -> None:
        if tensors := [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]:
            found[name] = tensors[0]

    handles = [
        modules[name].register_forward_hook(lambda _, __, result, name=name: keep(name, result))
        for name in names
        if name in modules
    ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _layout(feature_map: Tensor | None, channels: int) -> str:
    """The axes of a map, by where its channels are; a pyramid's where nothing can be seen."""
    if feature_map is None or feature_map.shape[1] == channels:
        return "NCHW"
    if feature_map.shape[-1] != channels:  # what is tapped lies before or after the module
        return "NCHW"
    return {3: "NLC", 4: "NHWC"}.get(feature_map.ndim, "NCHW")


def _feature_info(net: nn.Module) -> list[dict[str, Any]]:
    info: Any = getattr(net, "feature_info", None) or []
    return list(getattr(info, "info", info))


def _device(net: nn.Module) -> torch.device:
    return next((tensor.device for tensor in (*net.parameters(), *net.buffers())), torch.device("cpu"))
