"""The base of wrappers: a wrapper *is* its network, less what no wanted map needs.

A wrapper that held its network as a child would prefix every key of the state dict; one that held
the network's children could not run its walk. So a wrapper's class derives from the wrapper and
from the network's class, made once per pair, and its instance has the network's children,
parameters, buffers and options. The keys stay those of the plain network, and scripting, tracing,
export, DDP and FSDP see one ordinary module. The given network does not change.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any, Self, cast

from torch import nn

from zoo_core.features.extractor import FeatureExtractor
from zoo_core.features.prune import HOOKS, REGISTRIES

OF_THE_HEAD = ("get_classifier", "reset_classifier", "forward_head")
"""Methods of a network that need its head."""
OF_THE_WHOLE = (*OF_THE_HEAD, "forward_intermediates", "prune_intermediate_layers")
"""Methods of a network that need every stage or the head."""


class Adopting(FeatureExtractor):
    """Base of wrappers. ``Wrapper(net)`` is an instance of both `Wrapper` and ``type(net)``."""

    if TYPE_CHECKING:  # TorchScript would read the annotation, and cannot
        adopted: tuple[type[nn.Module], type[nn.Module]]
        """The wrapper and the network's class, which FSDP's derived classes hide."""

    def __new__(cls, net: nn.Module, *_args: Any, **_options: Any) -> Self:
        """Return an instance of the pair's class; `__init__` runs on it next."""
        return cast("Self", _blank(cls, type(net)))

    def __init__(self, net: nn.Module) -> None:
        """Take over children, parameters, buffers and options, without ``net.__init__``."""
        nn.Module.__init__(self)
        for name, value in vars(net).items():
            if name in REGISTRIES:
                self.__dict__[name] = copy.copy(value)
            elif name not in HOOKS and name not in vars(self):
                self.__dict__[name] = value
        self.training = net.training

    def lose(self, methods: Sequence[str]) -> None:
        """Remove methods that need dropped modules: `hasattr` and scripting no longer find them."""
        self.feature_lost = tuple(methods)
        for method in methods:
            self.__dict__.pop(method, None)  # of a network that was pruned before

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Pickle and copy by the two classes: the pair's class cannot be imported."""
        _, _, *rest = cast("tuple[Any, ...]", super().__reduce_ex__(protocol))
        return (_blank, self.adopted, *rest)


class _Losable:
    """A method of the network's class that an instance of the pair's class may lose."""

    def __init__(self, method: FunctionType) -> None:
        self.method = method

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: nn.Module | None, owner: type) -> Any:
        if instance is None:
            return self.method
        if self.name in instance.__dict__.get("feature_lost", ()):
            raise AttributeError(f"a {owner.__name__} has no {self.name}: it keeps what its feature maps need")
        return FunctionType.__get__(self.method, instance, owner)  # torch.compile of PyTorch 2.12 follows this call


_PAIRS: dict[tuple[type, type], type[Adopting]] = {}


def _blank(wrapper: type[nn.Module], network: type[nn.Module]) -> Adopting:
    """Return an instance without content of the class that derives from both, made once."""
    if (pair := _PAIRS.get((wrapper, network))) is None:
        names = {name: getattr(wrapper, name) for name in ("__module__", "__qualname__", "__doc__")}
        names["adopted"] = (wrapper, network)
        methods = {name: getattr(network, name, None) for name in OF_THE_WHOLE}
        names |= {name: _Losable(method) for name, method in methods.items() if isinstance(method, FunctionType)}
        pair = _PAIRS.setdefault((wrapper, network), type(wrapper.__name__, (wrapper, network), names))
    return nn.Module.__new__(pair)
