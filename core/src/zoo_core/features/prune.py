"""Dropping the modules that run after the wanted maps; shared containers do not change."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TypeVar

from torch import nn

REGISTRIES = ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set")
HOOKS = tuple(name for name in vars(nn.Module()) if name.endswith("_hooks") or "_hooks_" in name)
M = TypeVar("M", bound=nn.Module)
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def own_copy(module: M) -> M:
    """Copy `module` with the same children and tensors, and its own registries and hooks."""
    twin = copy.copy(module)
    for registry in (*REGISTRIES, *HOOKS):
        twin.__dict__[registry] = copy.copy(twin.__dict__[registry])
    return twin


def own_child(root: nn.Module, name: str) -> nn.Module:
    """Replace the child `name` of `root` by its `own_copy`, and return that."""
    child = root._modules[name]
    assert child is not None
    root._modules[name] = twin = own_copy(child)
    return twin


def own_path(root: nn.Module, path: str) -> None:
    """Replace every module on the way down to `path`, so that its hooks are `root`'s alone."""
    for name in path.split("."):
        root = own_child(root, name)


def drop_child(parent: nn.Module, name: str) -> None:
    """Make the child `name` of `parent` a plain attribute of None, for a forward that reads it.

    PyTorch treats a child that is None otherwise: it stays among the children, and loading a state
    dict with keys below it raises no error.
    """
    parent._modules.pop(name, None)
    parent.__dict__[name] = None


def drop_after(root: nn.Module, path: str) -> None:
    """Drop every module that is registered after `path`, on the way down to it."""
    name, _, rest = path.partition(".")
    children = list(root._modules)
    for later in children[children.index(name) + 1 :]:
        if isinstance(root, _CONTAINERS):
            del root._modules[later]
        else:
            drop_child(root, later)
    if rest:
        drop_after(own_child(root, name), rest)


def drop_unreached(root: nn.Module, names: Sequence[str], function: str) -> bool:
    """Drop every module of `root` that `function` does not run until the named modules have run.

    This is for modules that are no `Network`: their order of registration need not be their order
    of execution, so torch.fx traces it. In a container an identity replaces a dropped module, so
    that positions stay the same.

    Nothing is dropped where torch.fx cannot trace the way to the named modules, or where the rest
    no longer leads to them (its forward reads an attribute of a dropped module, say, or calls one
    by a second reference).

    Returns:
        Whether the trace succeeded, and everything unreached is gone.
    """
    from zoo_core.features.trace import modules_before  # no `Network` needs a trace

    ran = modules_before(root, names, function)
    if ran is None:
        return False
    whole = dict(root._modules)
    _drop_all_but(ran, root)
    for name in names:
        own_path(root, name)
    if modules_before(root, names, function) is not None:
        return True
    for name in whole:
        root.__dict__.pop(name, None)
    root.__dict__["_modules"] = whole
    return False


def _drop_all_but(ran: set[nn.Module], parent: nn.Module) -> None:
    for name, child in list(parent._modules.items()):
        inside = set(child.modules()) if child is not None else set()
        if inside <= ran:
            continue  # a child that its author made None, too
        if not ran.isdisjoint(inside):
            _drop_all_but(ran, own_child(parent, name))
        elif isinstance(parent, _CONTAINERS):
            parent._modules[name] = nn.Identity()
        else:
            drop_child(parent, name)
