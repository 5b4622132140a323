"""Dropping what runs after the wanted maps from a module that cannot say so itself, as a `Network` can.

The order of registration is not the order of execution, so a trace tells it. What no trace can tell is kept.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from zoo_core.features.mixin import drop_child, own_child, own_path
from zoo_core.features.trace import modules_before


def drop_unreached(root: nn.Module, names: Sequence[str], function: str) -> bool:
    """Drop every module of `root` that its method `function` does not run before the named modules have run.

    In a container an identity takes the place of a dropped module, so that positions stay what they are; elsewhere the
    attribute becomes None. Containers and named modules become copies of `root`'s own: whoever shares them keeps them
    as they were.

    Nothing is dropped where torch.fx cannot trace the way to the named modules, nor where what would be left no longer
    leads to them (its forward reads an attribute of what was dropped, say, or calls a module by a second reference).

    Returns:
        Whether anything was dropped, if there was anything to drop.
    """
    ran = modules_before(root, names, function)
    if ran is None:
        return False
    whole = dict(root._modules)
    _drop(root, ran)
    for name in names:
        own_path(root, name)
    if modules_before(root, names, function) is not None:
        return True
    for name in whole:
        root.__dict__.pop(name, None)
    root.__dict__["_modules"] = whole
    return False


def _drop(parent: nn.Module, ran: set[nn.Module]) -> None:
    for name, child in list(parent._modules.items()):
        inside = set(child.modules()) if child is not None else set()
        if inside <= ran:
            continue  # a child that its author made None, too
        if not ran.isdisjoint(inside):
            _drop(own_child(parent, name), ran)
        elif isinstance(parent, nn.Sequential | nn.ModuleList | nn.ModuleDict):
            parent._modules[name] = nn.Identity()
        else:
            drop_child(parent, name)
