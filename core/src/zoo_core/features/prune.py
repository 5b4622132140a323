"""Dropping what runs after the wanted maps from a module that cannot say so itself, as a `Network` can.

The order of registration is not the order of execution, so a trace tells it. What no trace can tell is kept.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from zoo_core.features.adopt import own_child, own_path
from zoo_core.features.trace import modules_before


def drop_unreached(root: nn.Module, names: Sequence[str], function: str) -> None:
    """Drop every module of `root` that its method `function` does not run before the named modules have run.

    A dropped module becomes None where it stood, so that positions in a container stay what they are. Containers and
    named modules become copies of `root`'s own: whoever shares them keeps them as they were.

    Nothing is dropped where torch.fx cannot trace the way to the named modules, nor where what would be left no longer
    leads to them (its forward reads an attribute of what was dropped, say, or calls a module by a second reference).
    """
    ran = modules_before(root, names, function)
    if ran is None:
        return
    whole = dict(root._modules)
    _drop(root, ran)
    for name in names:
        own_path(root, name)
    if modules_before(root, names, function) is None:
        root.__dict__["_modules"] = whole


def _drop(parent: nn.Module, ran: set[nn.Module]) -> None:
    for name, child in list(parent._modules.items()):
        inside = set(child.modules()) if child is not None else set()
        if ran.isdisjoint(inside):
            parent._modules[name] = None
        elif not inside <= ran:
            _drop(own_child(parent, name), ran)
