"""Construct a layer of PyTorch again by copying one that had the same arguments.

PyTorch takes some 100 µs to construct a convolution or a norm, nearly all of it to set attributes
one by one, and a network has hundreds of a few kinds. Only the clock shows that they are copied:
the deferral notes a copy's draws as it notes the constructor's, in the same order. The constructor
runs wherever its result might differ: for a subclass that overrides a part of it or has set
attributes before it, under patched parts of torch, on another device, within another context, with
arguments of unusual types.

Torch shows `init.kaiming_normal_` to a context as ten calls. Here the deferral gets it as one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import contextmanager
from functools import wraps
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import init
from torch.nn.modules import module as hooks

from zoo_core.locks import fork_safe_lock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo_core.building.deferred import Deferral, Draw

# Layers that draw all their values, and layers that draw none.
_DRAWN = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
_CONSTANT = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.GroupNorm, nn.LayerNorm)
# The constructors of these, by the class that has it and their name.
_CONSTRUCTORS: dict[tuple[Any, str], Any] = {
    (owner, "__init__"): vars(owner)["__init__"]
    for layer in (*_DRAWN, *_CONSTANT)
    for owner in [next(each for each in layer.__mro__ if "__init__" in vars(each))]
}
# Parts of torch that other libraries replace for a while.
_STARTS = itemgetter("kaiming_uniform_", "uniform_", "ones_", "zeros_", "constant_")
_BASES = [vars(base) for base in (nn.Module, nn.modules.conv._ConvNd, nn.modules.batchnorm._NormBase)]
_METHODS = attrgetter("reset_parameters", "register_parameter", "register_buffer", "__setattr__")
_UNPATCHED: dict[type, Any] = {layer: _METHODS(layer) for layer in (*_DRAWN, *_CONSTANT)}


def _common_parts() -> list[Any]:
    return [_STARTS(vars(init)), *(base["__init__"] for base in _BASES)]


_UNPATCHED_PARTS = _common_parts()
# What a subclass may have of its own, beside names that its layer does not have.
_OWN = {"__init__", "__doc__", "__module__", "__annotations__", "__constants__", "__firstlineno__", "forward"}
_OWN |= {"__static_attributes__", "__annotate_func__", "__parameters__", "__orig_bases__", "extra_repr"}
_SHARED = {bool, int, float, str, type(None), torch.dtype}  # types of values that cannot change
_EMPTY = {dict, OrderedDict, set}
_here = threading.local()
_patching, _contexts = fork_safe_lock(), 0
_layers: WeakKeyDictionary[type, type | None] = WeakKeyDictionary()
_recipes: dict[Any, _Recipe | None] = {}
_MOST_RECIPES = 4096  # of several large networks


@contextmanager
def copied_layers(deferral: Deferral) -> Iterator[None]:
    """A context in which this thread constructs layers of PyTorch by copying."""
    global _contexts
    before = getattr(_here, "deferral", None)
    with _patching:
        _contexts += 1
        if _contexts == 1:
            _replace(_THEIRS, _OURS)
    _here.deferral = deferral
    try:
        yield
    finally:
        _here.deferral = before
        with _patching:
            _contexts -= 1
            if not _contexts:
                _replace(_OURS, _THEIRS)


def _replace(old: dict[tuple[Any, str], Any], new: dict[tuple[Any, str], Any]) -> None:
    for (owner, name), function in new.items():
        if vars(owner)[name] is old[owner, name]:  # which another library may have replaced
            setattr(owner, name, function)


def _current_deferral() -> Deferral | None:
    """Return the deferral of this thread's building, unless another context is active too."""
    deferral: Deferral | None = getattr(_here, "deferral", None)
    return deferral if deferral is not None and deferral.is_alone() else None


def _copying(constructor: Any) -> Any:
    @wraps(constructor)
    def construct(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        deferral = _current_deferral()
        # What a subclass has set already is its own, and no part of a recipe.
        key = _key(type(self), args, kwargs) if deferral is not None and not vars(self) else None
        if deferral is None or key is None:
            constructor(self, *args, **kwargs)
            return
        recipe = _recipes.get(key)
        with torch._C.DisableTorchFunction():  # the deferral would take our looking for the constructor's
            if recipe is not None and recipe.fill(self, deferral):
                return
        constructor(self, *args, **kwargs)
        if key not in _recipes:
            if len(_recipes) >= _MOST_RECIPES:
                _recipes.clear()
            with torch._C.DisableTorchFunction():
                _recipes[key] = _recipe(self, deferral)

    return construct


@wraps(init.kaiming_normal_)
def _kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: Any = "fan_in",
    nonlinearity: Any = "leaky_relu",
    generator: torch.Generator | None = None,
) -> Any:
    start, deferral = _THEIRS[init, "kaiming_normal_"], _current_deferral()
    if deferral is None or type(tensor) is not nn.Parameter:
        return start(tensor, a, mode, nonlinearity, generator)
    options = {"a": a, "mode": mode, "nonlinearity": nonlinearity, "generator": generator}
    with torch._C.DisableTorchFunction():
        return deferral.__torch_function__(start, (), (tensor,), options)


_OURS = {place: _copying(constructor) for place, constructor in _CONSTRUCTORS.items()}
_OURS[init, "kaiming_normal_"] = _kaiming_normal_
_THEIRS = {(owner, name): vars(owner)[name] for owner, name in _OURS}


def _key(kind: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...] | None:
    """Return what a layer follows from; None if the constructor must make it."""
    try:
        layer = _layers[kind]
    except KeyError:
        layer = _layers[kind] = _layer_of(kind)
    if layer is None or hooks._global_parameter_registration_hooks or hooks._global_buffer_registration_hooks:
        return None
    types = []
    for value in (*args, *kwargs.values()):
        if type(value) not in _SHARED and not _of_integers(value):
            return None
        types.append(type(value))
    if _METHODS(kind) != _UNPATCHED[layer] or _common_parts() != _UNPATCHED_PARTS:
        return None
    return layer, torch.get_default_dtype(), args, tuple(kwargs.items()), tuple(types)


def _layer_of(kind: type) -> type | None:
    """Return the layer of PyTorch that a class extends; None if the class changes its making."""
    for place, layer in enumerate(kind.__mro__):
        if layer in _DRAWN or layer in _CONSTANT:
            names = set(dir(layer)) - _OWN
            of_others = [vars(each) for each in kind.__mro__[:place]]
            changed = any(
                name in names or hasattr(type(value), "__set__") for own in of_others for name, value in own.items()
            )
            return None if changed or kind.__mro__[place:] != layer.__mro__ else layer
    return None


class _Recipe:
    """What a layer is made of: its attributes, and its tensors by their draws or their values."""

    def __init__(self, layer: nn.Module, draws: dict[str, Draw]) -> None:
        self.state = vars(layer).copy()
        self.empty = [(name, type(value)) for name, value in self.state.items() if type(value) in _EMPTY]
        parameters = {name: value for name, value in layer._parameters.items() if value is not None}
        self.drawn = [(name, draw, parameters[name].shape, parameters[name].dtype) for name, draw in draws.items()]
        self.constant = [(name, value.detach().clone()) for name, value in parameters.items() if name not in draws]
        self.parameters: dict[str, Tensor | None] = dict.fromkeys(layer._parameters)
        self.buffers: dict[str, Tensor | None] = dict.fromkeys(layer._buffers)
        self.buffer_values = [(name, value.clone()) for name, value in layer._buffers.items() if value is not None]

    def fill(self, layer: nn.Module, deferral: Deferral) -> bool:
        """Give a layer what its constructor would, unless draws cannot wait."""
        if self.drawn and not deferral.defers():
            return False
        state = self.state.copy()
        for name, container in self.empty:
            state[name] = container()
        state["_parameters"] = parameters = self.parameters.copy()
        for name, draw, size, dtype in self.drawn:
            memory = deferral.drawn_again(draw, size, dtype)
            parameters[name] = Tensor._make_subclass(nn.Parameter, memory, True)
        for name, value in self.constant:
            parameters[name] = Tensor._make_subclass(nn.Parameter, value.clone(), True)
        state["_buffers"] = buffers = self.buffers.copy()
        for name, value in self.buffer_values:
            buffers[name] = value.clone()
        layer.__dict__.update(state)
        return True


def _recipe(layer: nn.Module, deferral: Deferral) -> _Recipe | None:
    """Return how to make one like this layer, which is new; None if that cannot be told."""
    parameters = {name: value for name, value in layer._parameters.items() if value is not None}
    buffers = [value for value in layer._buffers.values() if value is not None]
    draws = {name: draw for name, value in parameters.items() if (draw := deferral.draw_of(value))}
    usual = all(type(value) is nn.Parameter and value.requires_grad for value in parameters.values())
    usual &= all(type(value) is Tensor for value in buffers) and len(draws) in (0, len(parameters))
    usual &= bool(draws) == isinstance(layer, _DRAWN) and not any(draw.steps for draw in draws.values())
    usual &= all(value.is_cpu and value.is_contiguous() for value in (*parameters.values(), *buffers))
    for name, value in vars(layer).items():
        holds_nothing = type(value) in _EMPTY and not value
        usual &= name in ("_parameters", "_buffers") or holds_nothing or type(value) in _SHARED or _of_integers(value)
    return _Recipe(layer, draws) if usual else None


def _of_integers(value: object) -> bool:
    return type(value) is tuple and all(type(each) is int for each in value)
