"""How a wrapper takes a network over: it *is* the network, less what no wanted map needs.

A wrapper that held its network as a child would prefix every key of the state dict; one that held the network's
children could not run its walk. So a wrapper's class derives from the wrapper and from the network's class, made once
per pair, and its instance has the network's children, parameters, buffers and options. The keys stay those of the plain
network, and scripting, tracing, export, DDP and FSDP see one ordinary module. The network given is left as it was.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from torch import nn

_REGISTRIES = ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set")
_HOOKS = tuple(name for name in vars(nn.Module()) if name.endswith("_hooks") or "_hooks_" in name)
M = TypeVar("M", bound=nn.Module)

OF_THE_HEAD = ("get_classifier", "reset_classifier", "forward_head")
"""Methods of a network that need its head."""
OF_THE_WHOLE = (*OF_THE_HEAD, "forward_intermediates", "prune_intermediate_layers")
"""Methods of a network that need every stage or the head."""


class Adopting(nn.Module):
    """Base of wrappers. ``Wrapper(net, ...)`` makes an instance of a class derived from `Wrapper` and ``type(net)``."""

    if TYPE_CHECKING:  # TorchScript would read the annotation, and cannot
        adopted: tuple[type[nn.Module], type[nn.Module]]
        """The wrapper and the network's class. FSDP derives a class of its own from the pair's: bases do not tell."""

    def __new__(cls, net: nn.Module, *_args: Any, **_options: Any) -> Self:
        """An instance of the pair's class; `__init__` runs on it next."""
        return cast("Self", _blank(cls, type(net)))

    def __init__(self, net: nn.Module) -> None:
        """Take over children, parameters, buffers and options, without running the network's ``__init__``."""
        nn.Module.__init__(self)
        for name, value in vars(net).items():
            if name in _REGISTRIES:
                self.__dict__[name] = copy.copy(value)
            elif name not in _HOOKS and name not in vars(self):
                self.__dict__[name] = value
        self.training = net.training

    def lose(self, methods: Sequence[str]) -> None:
        """Have these methods of the network no longer, which need what was dropped: `hasattr` and scripting agree."""
        self.feature_lost = tuple(methods)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Pickle and copy by the two classes, since the pair's class has no name to import it by."""
        _, _, *rest = cast("tuple[Any, ...]", super().__reduce_ex__(protocol))
        return (_blank, self.adopted, *rest)


class _Losable:
    """A method of the network's class, which an instance of the pair's class has until it loses it."""

    def __init__(self, method: Any) -> None:
        self.method = method

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: nn.Module | None, owner: type) -> Any:
        if instance is None:
            return self.method
        if self.name in instance.__dict__.get("feature_lost", ()):
            raise AttributeError(f"a {owner.__name__} has no {self.name}: it keeps what its feature maps need")
        return self.method.__get__(instance, owner)


_PAIRS: dict[tuple[type, type], type[Adopting]] = {}


def _blank(wrapper: type[nn.Module], network: type[nn.Module]) -> Adopting:
    """An instance without content of the class that derives from both, which is made once."""
    if (pair := _PAIRS.get((wrapper, network))) is None:
        names = {name: getattr(wrapper, name) for name in ("__module__", "__qualname__", "__doc__")}
        names["adopted"] = (wrapper, network)
        names |= {name: _Losable(getattr(network, name)) for name in OF_THE_WHOLE if hasattr(network, name)}
        pair = _PAIRS.setdefault((wrapper, network), type(wrapper.__name__, (wrapper, network), names))
    return nn.Module.__new__(pair)


def drop_after(root: nn.Module, path: str) -> None:
    """Drop every module that is registered after `path`, on the way down to it.

    A container on the way is replaced by a shorter copy of itself, so that whoever shares it keeps it whole.
    """
    name, _, rest = path.partition(".")
    children = list(root._modules)
    for later in children[children.index(name) + 1 :]:
        if isinstance(root, nn.Sequential | nn.ModuleList | nn.ModuleDict):
            del root._modules[later]
        else:
            drop_child(root, later)
    if rest:
        drop_after(own_child(root, name), rest)


def drop_child(parent: nn.Module, name: str) -> None:
    """Make the child `name` of `parent`, if there is one, a plain attribute of None, for a forward that asks for it.

    A child that is None is another thing to PyTorch: it stays among the children, and loading a state dict with keys
    below it raises no error.
    """
    parent._modules.pop(name, None)
    parent.__dict__[name] = None


def own_copy(module: M) -> M:
    """A copy of `module` with the same children and tensors, and registries and hooks of its own."""
    twin = copy.copy(module)
    for registry in (*_REGISTRIES, *_HOOKS):
        twin.__dict__[registry] = copy.copy(twin.__dict__[registry])
    return twin


def own_child(root: nn.Module, name: str) -> nn.Module:
    """Put a copy of the child `name` of `root` in its place, with the same tensors and its own registries and hooks."""
    child = root._modules[name]
    assert child is not None
    root._modules[name] = twin = own_copy(child)
    return twin


def own_path(root: nn.Module, path: str) -> None:
    """Let `root` alone own every module on the way down to `path`: what is hooked there, nobody else meets."""
    for name in path.split("."):
        root = own_child(root, name)
