"""The slots of a network for the tensors of a state dict, and filling them all at once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from zoo_core.errors import WeightsError, nearest
from zoo_core.weights.loading.unwrap import WRAPPER_PREFIXES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_COUNTER = "num_batches_tracked"
# torch's own, and that of its batch norms, which only adds a counter to old state dicts.
_PLAIN_LOADERS = (nn.Module._load_from_state_dict, nn.modules.batchnorm._NormBase._load_from_state_dict)
_SHOWN = 4


Give = Callable[[Sequence[tuple[Tensor, Tensor]]], object]
"""Overwrites the first tensor of each pair by the second, of the same shape."""


class Slot(NamedTuple):
    """One parameter or persistent buffer of one module."""

    module: nn.Module
    name: str
    """Its name in the module."""
    tensor: Tensor
    is_parameter: bool


class Slots(dict[str, Slot]):
    """Key of the state dict to slot, in its order; a shared tensor has several."""

    modules: list[nn.Module]
    """Every module of the network, once for each path to it."""


def slots_of(net: nn.Module) -> Slots:
    """Return the slots of `net`."""
    found = Slots()
    found.modules = []
    _collect_slots(net, "", found)
    return found


def _collect_slots(module: nn.Module, dot: str, found: Slots) -> None:
    # `named_modules` builds a generator per level for every module, and takes five times as long.
    found.modules.append(module)
    for name, parameter in module._parameters.items():
        if parameter is not None:
            found[dot + name] = Slot(module, name, parameter, True)
    for name, buffer in module._buffers.items():
        if buffer is not None and name not in module._non_persistent_buffers_set:
            found[dot + name] = Slot(module, name, buffer, False)
    for name, child in module._modules.items():
        if child is not None:
            _collect_slots(child, f"{dot}{name}.", found)


def loads_itself(slots: Slots) -> bool:
    """Return whether a module takes part in loading: filling the slots is not enough then."""
    kinds = {type(module) for module in slots.modules}
    return any(
        kind._load_from_state_dict not in _PLAIN_LOADERS or kind.set_extra_state is not nn.Module.set_extra_state
        for kind in kinds
    ) or any(module._load_state_dict_pre_hooks or module._load_state_dict_post_hooks for module in slots.modules)


def check_fit(
    slots: Mapping[str, Slot],
    state_dict: Mapping[str, Tensor],
    *,
    may_miss: Iterable[str] = (),
    strict: bool = True,
    source: str = "the weights",
) -> None:
    """Raise unless every tensor has its slot and every slot its tensor.

    Args:
        slots: the network's.
        state_dict: the tensors.
        may_miss: keys of the network that need no tensor. Counters of old batch norms never do.
        strict: False lets keys be missing or too many, as long as some fit and none has only a
            prefix too many; shapes and kinds of numbers must fit all the same.
        source: the weights, for the message.

    Raises:
        WeightsError: naming missing, unexpected and misfit keys, each group compactly, with the
            nearest names.
    """
    if state_dict.keys() == slots.keys() and all(  # as nearly always: one look at each
        (tensor.shape, tensor.dtype) == ((own := slots[key].tensor).shape, own.dtype)
        for key, tensor in state_dict.items()
    ):
        return
    misfit = [
        f"{key} is {tuple(tensor.shape)}, the network's {tuple(slots[key].tensor.shape)}"
        for key, tensor in state_dict.items()
        if key in slots and tensor.shape != slots[key].tensor.shape
    ]
    uncast = [
        f"{key} is {tensor.dtype}, the network's {slots[key].tensor.dtype}"
        for key, tensor in state_dict.items()
        if key in slots and not _can_become(tensor.dtype, slots[key].tensor.dtype)
    ]
    skipped = set(may_miss)
    missing = [
        key for key, slot in slots.items() if key not in state_dict and key not in skipped and slot.name != _COUNTER
    ]
    unexpected = [key for key in state_dict if key not in slots]
    behind = [] if strict else _behind_a_prefix(slots, state_dict, missing, unexpected)
    if not strict and len(unexpected) < len(state_dict):
        missing = unexpected = []
    if not (missing or unexpected or misfit or uncast or behind):
        return
    parts = []
    if missing:
        parts.append(f"missing {_some(missing)}")
    if unexpected:
        parts.append(f"unexpected {_some(unexpected)}")
        if missing and (close := nearest(unexpected[0], missing, 1)):
            parts.append(f"{unexpected[0]!r} may be the network's {close[0]!r}")
    if misfit:
        parts.append(f"of another shape {_some(misfit)}")
    if uncast:
        parts.append(f"of numbers that would be lost {_some(uncast)}")
    if behind:
        parts.append(f"behind a prefix that other keys lack {_some(behind)}")
    raise WeightsError(f"{source} do not fit the network: {'; '.join(parts)}")


@functools.cache
def _can_become(dtype: torch.dtype, other: torch.dtype) -> bool:
    """Return whether torch can copy one dtype into another, keeping imaginary parts."""
    if dtype == other:
        return True
    if dtype.is_complex and not other.is_complex:
        return False
    try:
        torch.empty(1, dtype=other).copy_(torch.empty(1, dtype=dtype))
    except (RuntimeError, TypeError):
        return False
    return True


def _behind_a_prefix(
    slots: Mapping[str, Slot], state_dict: Mapping[str, Tensor], missing: list[str], unexpected: list[str]
) -> list[str]:
    """Return the unexpected keys that are missing ones behind a prefix.

    The prefix is a known wrapper's, or accounts for all missing keys. To ignore these keys would
    fill one half of a network and leave the other as it was, without a word.
    """
    lacking = set(missing)
    found: dict[str, list[str]] = {}
    for key in unexpected:
        for end in (key[at + 1 :] for at, letter in enumerate(key) if letter == "."):
            if end in lacking and state_dict[key].shape == slots[end].tensor.shape:
                found.setdefault(key.removesuffix(end), []).append(key)
    return [
        key for prefix, keys in found.items() if prefix in WRAPPER_PREFIXES or len(keys) == len(lacking) for key in keys
    ]


def _some(keys: list[str]) -> str:
    shown = ", ".join(keys[:_SHOWN])
    return f"({len(keys)}): {shown}{', ...' if len(keys) > _SHOWN else ''}"


def copy_each(pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Copy the second tensor of each pair into the first."""
    for old, new in pairs:
        old.copy_(new)


def fill(slots: Mapping[str, Slot], state_dict: Mapping[str, Tensor], *, give: Give = copy_each) -> None:
    """Put tensors that fit into their slots.

    Args:
        slots: the network's.
        state_dict: the tensors, each of its slot's shape.
        give: overwrites the slots' tensors by the state dict's.
    """
    with torch.no_grad():
        give([(slot.tensor, state_dict[key]) for key, slot in slots.items() if key in state_dict])
        for key, slot in slots.items():
            if slot.name == _COUNTER and key not in state_dict:
                slot.tensor.zero_()


@contextmanager
def unchanged_if_it_fails(slots: Slots) -> Iterator[None]:
    """Restore the tensors and values of every module if the body raises."""
    registries: list[dict[str, Any]] = [
        each for module in slots.modules for each in (module._parameters, module._buffers)
    ]
    before = [dict(registry) for registry in registries]
    tensors = {id(tensor): tensor for held in before for tensor in held.values() if tensor is not None}
    values = {key: tensor.detach().clone() for key, tensor in tensors.items()}
    try:
        yield
    except BaseException:
        for registry, held in zip(registries, before, strict=True):
            registry.clear()
            registry.update(held)
        with torch.no_grad():
            for key, tensor in tensors.items():
                tensor.copy_(values[key])
        raise
