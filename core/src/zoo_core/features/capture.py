"""Feature maps by hooks on the wanted modules, with an early stop.

Collected maps belong to the call, not to the module: concurrent calls from several threads do not
mix. The hook is one function that stays on the module and does nothing outside a collecting call,
so copies and pickles keep it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from zoo_core.errors import FeatureError, did_you_mean

Maps = dict[nn.Module, Any]


class _Enough(Exception):  # noqa: N818 - no error: it ends a forward that has yielded all wanted maps
    """Raised by the hook that collects the last map that a call wants."""

    def __init__(self, maps: Maps) -> None:
        self.maps = maps


class _Calls(threading.local):
    """The collecting calls of this thread, innermost last: maps, and whether to stop early."""

    def __init__(self) -> None:
        self.stack: list[tuple[Maps, bool]] = []


_CALLS = _Calls()


def _tap(module: nn.Module, args: Any, output: Any) -> None:
    for maps, stops in _CALLS.stack:
        if module in maps and maps[module] is None:
            maps[module] = output
            if stops and all(value is not None for value in maps.values()):
                raise _Enough(maps)


def find_modules(root: nn.Module, names: Sequence[str]) -> dict[str, nn.Module]:
    """Return the named modules of `root`, by name.

    Raises:
        FeatureError: for a name that is no module of `root`, with the nearest ones.
    """
    modules = dict(root.named_modules(remove_duplicate=False))
    for name in names:
        if name not in modules:
            raise FeatureError(f"{type(root).__name__} has no module {name!r}{did_you_mean(name, modules)}")
    return {name: modules[name] for name in names}


def tap_modules(root: nn.Module, names: Sequence[str]) -> None:
    """Let `collect` read the named modules of `root`; for errors see `find_modules`."""
    for module in find_modules(root, names).values():
        if _tap not in module._forward_hooks.values():
            module.register_forward_hook(_tap)


def collect(
    root: nn.Module, forward: Callable[[Any], Any], names: Sequence[str], x: Any, *, stops: bool = True
) -> list[Any]:
    """Run `forward` until every named module of `root` has run, and return their outputs.

    Args:
        root: a module that `tap_modules` has prepared.
        forward: runs it.
        names: the wanted modules.
        x: the argument of `forward`.
        stops: end `forward` after the last wanted module; False for a `forward` that ends there by
            itself.

    Raises:
        FeatureError: where a named module did not run, under torch.fx (it sees no hooks, and its
            graph would be silently wrong), or under torch.export, which cannot stop early.
    """
    if isinstance(x, torch.fx.Proxy):
        raise FeatureError("torch.fx sees no hooks: trace a FeatureListNet, or use a FeatureGraphNet")
    if stops and torch.compiler.is_exporting():
        raise FeatureError("torch.export cannot follow a forward that hooks cut short: use feature_cls='fx'")
    wanted = [root.get_submodule(name) for name in names]
    maps: Maps = dict.fromkeys(wanted)
    _CALLS.stack.append((maps, stops))
    try:
        forward(x)
    except _Enough as enough:
        if enough.maps is not maps:
            raise
    finally:
        _CALLS.stack.pop()
    for name, module in zip(names, wanted, strict=True):
        if maps[module] is None:
            raise FeatureError(f"the forward did not run module {name!r}, whose output is wanted")
    return [maps[module] for module in wanted]


def joined(output: Any, concat: bool | None) -> Any:
    """Return one feature map of a module's `output`, which may be a list or tuple of them.

    Joining is along the channels: (batch, channels_i, height, width) to (batch, sum of channels_i,
    height, width). None returns `output` as it is.
    """
    if concat is None or not isinstance(output, list | tuple):
        return output
    return torch.cat(list(output), dim=1) if concat else output[0]
