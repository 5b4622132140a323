"""Construct modules without drawing random values that weights replace, or drawing twice.

Drawing is most of what building a network costs. Only the clock shows that draws are deferred.
"""

from __future__ import annotations

import ctypes
import dataclasses
import math
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import init
from torch.overrides import TorchFunctionMode

from zoo_core.errors import PluginError
from zoo_core.locks import fork_safe_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

# Functions that draw all values of their first argument anew, and what `init` calls the parameters.
_DRAWS: dict[Any, tuple[str, ...]] = {Tensor.uniform_: (), Tensor.normal_: (), init.kaiming_uniform_: ()}
_DRAWS |= {init.uniform_: ("a", "b"), init.normal_: ("mean", "std"), init.kaiming_normal_: ()}
_KAIMING = {init.kaiming_uniform_: Tensor.uniform_, init.kaiming_normal_: Tensor.normal_}
_OVERWRITES = {*_DRAWS, Tensor.copy_, Tensor.fill_, Tensor.zero_, init.constant_}
# Functions that change each value by itself, in place, and hold no other tensor: what follows a
# draw as its next step, such as a truncated normal distribution made of a uniform one.
_STEP_NAMES = ("add_", "clamp_", "clamp_max_", "clamp_min_", "div_", "erfinv_", "exp_", "log_", "mul_", "neg_", "sub_")
_STEPS = {getattr(Tensor, name) for name in _STEP_NAMES}
# Functions that make tensors of sizes alone.
_FACTORIES = {torch.empty, torch.ones, torch.zeros}
# Functions that read or set what a tensor is, and not its values.
_PROPERTIES = ("device", "dtype", "grad_fn", "is_leaf", "is_meta", "ndim", "requires_grad", "shape")
_METHODS = ("__hash__", "dim", "is_contiguous", "is_floating_point", "numel", "requires_grad_", "size", "stride")
_LOOKS = {getattr(Tensor, name).__get__ for name in _PROPERTIES} | {getattr(Tensor, name) for name in _METHODS}
_LOOKS |= {Tensor.requires_grad.__set__, torch._C._set_grad_enabled}  # type: ignore[attr-defined] # a descriptor
# Functions that draw from the default generator. Others that move it are taken to set a seed.
_RANDOM = {*_DRAWS, torch.normal, torch.rand, torch.rand_like, torch.randint, torch.randn, torch.randn_like}
_RANDOM |= {torch.bernoulli, torch.randperm, Tensor.bernoulli_, Tensor.random_}
# A draw holds a lock of torch's in the default generator, which a forked process would find locked.
_drawing = fork_safe_lock()
_HOLD_NO_TENSOR = {bool, int, float, type(None), complex, str, torch.Size, torch.dtype, torch.device, torch.layout}
_HOLD_NO_TENSOR |= {torch.memory_format, torch.Generator}

_ALL_BITS = -(2**63)  # from here without an upper bound, `random_` draws every bit of an int64


@dataclasses.dataclass(frozen=True, slots=True)
class Draw:
    """A draw to carry out later, from a seed of its own, and the steps that follow it."""

    method: Callable[..., object]
    values: tuple[float, ...]
    named: Mapping[str, float]
    seed: int
    steps: tuple[tuple[Callable[..., object], tuple[Any, ...], Mapping[str, Any]], ...] = ()

    def __call__(self, tensor: Tensor) -> None:
        """Draw into a tensor, where gradients are off."""
        self.method(tensor, *self.values, **self.named, generator=torch.Generator().manual_seed(self.seed))
        for method, values, named in self.steps:
            method(tensor, *values, **named)


class Deferral(TorchFunctionMode):
    """A context that notes draws into fresh memory, and carries one out once somebody needs it.

    Fresh is memory of `torch.empty` that nothing but such draws has touched. Whatever else touches
    it (a read, a view, a write, by any function of PyTorch that this thread calls) has the draw
    carried out first, and works on an ordinary tensor. Each noted draw has a seed of its own, from
    the default generator. A draw from another generator, or after a seed was set, is carried out at
    once: it has one right outcome. Not seen are other threads, TorchScript and C++ code to which a
    constructor hands an undrawn tensor.
    """

    def __init__(self) -> None:
        super().__init__()
        self._fresh: dict[int, tuple[Tensor, Draw | None]] = {}  # by address: memory, noted draw
        self._taken: set[int] = set()
        self._seed = torch.empty((), dtype=torch.int64, device="cpu")
        # This moves the default generator, so that setting the caller's seed once more is seen.
        with _drawing:
            torch.rand((), device="cpu")
        self._states = [_default_state()]  # that we know, the last one first seen or seen again; none once we stopped

    def finish(self, model: nn.Module, *, draw: bool = True) -> None:
        """Carry out what is still noted, once the context has ended; nothing with ``draw=False``.

        Raises:
            PluginError: for a parameter or buffer of `model` that nobody has given values.
        """
        undrawn = {address for address, (_, noted) in self._fresh.items() if noted is None}
        for name, tensor in (*model.named_parameters(), *model.named_buffers()) if undrawn else ():
            if _address(tensor) in undrawn:
                raise PluginError(
                    f"{name} is not initialised: {type(model).__name__} makes it with torch.empty and never fills it; "
                    "fill it in the constructor, or make it with torch.zeros"
                )
        if draw:
            self._carry_out(list(self._fresh))

    def give(self, pairs: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Overwrite the first of each two tensors by the second; where gradients are off.

        The first gets the memory of the second instead of a copy where nobody can tell: its own is
        fresh and no other tensor has it, not even another deferral, and no other tensor has been
        given that of the second. Copies are made all at once and behind the back of this context,
        which takes a third of the time, unless they are of undrawn memory or other contexts look
        on.
        """
        alone = torch._C._len_torch_function_stack() == 1
        copies: list[tuple[Tensor, Tensor]] = []
        with torch._C.DisableTorchFunction():
            for old, new in pairs:
                address, source = _address(old), _address(new)
                if (
                    address in self._fresh
                    and source
                    and not (source in self._taken or source in self._fresh or new.requires_grad)
                    and (old.dtype, old.device, old.stride()) == (new.dtype, new.device, new.stride())
                    and _owners(old) == _owners_alone()
                ):
                    old.data = new
                    self._taken.add(source)
                    del self._fresh[address]
                elif address and source and source not in self._fresh and alone and old.is_cpu:
                    copies.append((old, new))
                    self._fresh.pop(address, None)
                else:
                    _copy(copies)  # in order, as one tensor may be given twice
                    with torch._C._EnableTorchFunction():
                        old.copy_(new)
            _copy(copies)

    def is_alone(self) -> bool:
        """Return whether no other context of torch is active; only while this one is."""
        alone = torch._C._len_torch_function_stack() == 1 and not torch._C._len_torch_dispatch_stack()
        return alone and not torch.is_inference_mode_enabled()

    def draw_of(self, tensor: Tensor) -> Draw | None:
        """Return the draw that is noted for a tensor's memory."""
        memory = self._fresh.get(_address(tensor) or -1)
        return memory and memory[1]

    def drawn_again(self, draw: Draw, size: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return new memory for such a draw, with a seed of its own; while it `defers`."""
        memory = torch.empty(size, dtype=dtype)
        self._fresh[memory.data_ptr()] = memory, Draw(draw.method, draw.values, draw.named, self._next_seed())
        return memory

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _LOOKS:
            return func(*args, **kwargs)
        overwritten = None
        if func in _OVERWRITES:
            target = args[0] if args else kwargs["tensor"]
            overwritten = _address(target)
            if func in _DRAWS and overwritten in self._fresh and (draw := self._noted(func, target, args, kwargs)):
                self._fresh[overwritten] = self._fresh[overwritten][0], draw
                return target
        elif func in _STEPS and (step := self._continued(func, args, kwargs)):
            self._fresh[step[0]] = self._fresh[step[0]][0], step[1]
            return args[0]
        touched: dict[int, None] = {}  # in a determined order
        if func not in _FACTORIES or "out" in kwargs:
            self._find(args[1:] if overwritten else args, touched)
            self._find(kwargs.values(), touched)
        if touched:
            self._carry_out(touched)
        result = self._drawn(func, args, kwargs) if func in _RANDOM else func(*args, **kwargs)
        if overwritten:
            self._fresh.pop(overwritten, None)
        elif func is torch.empty and "out" not in kwargs and result.is_cpu and (address := _address(result)):
            self._fresh[address] = result.detach(), None  # a tensor that nobody else has, see `give`
        return result

    def _drawn(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Draw now, and know the state that the default generator is in after that."""
        known = self.defers()
        with _drawing:
            result = func(*args, **kwargs)
        if known:
            self._states.append(_default_state())
        return result

    def _noted(self, func: Any, target: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Draw | None:
        """Return one of `_DRAWS` with its arguments, to carry out later; None where it must be now.

        Raises what the function itself would.
        """
        if kwargs.get("generator") is not None or not self.defers():
            return None
        method, values = func, args[1:]
        named = {name: value for name, value in kwargs.items() if name != "generator"}
        if func in _KAIMING:
            std = _kaiming_std(target.shape, kwargs["a"], kwargs["mode"], kwargs["nonlinearity"])
            bound = math.sqrt(3) * std
            method, named = _KAIMING[func], {}
            values = (-bound, bound) if method is Tensor.uniform_ else (0, std)
        elif names := _DRAWS[func]:
            method = Tensor.uniform_ if func is init.uniform_ else Tensor.normal_
            values, named = tuple(kwargs[name] for name in names), {}
        elif target.requires_grad and torch.is_grad_enabled():
            return None  # which is an error
        if not all(type(value) in (int, float) for value in (*values, *named.values())):
            return None
        _check(method, target.dtype, values, tuple(named.items()))
        draw = draw_uniform_ if method is Tensor.uniform_ and len(values) == 2 else method
        return Draw(draw, values, named, self._next_seed())

    def _next_seed(self) -> int:
        with _drawing:
            seed = int(self._seed.random_())
        self._states.append(_default_state())
        return seed

    def _continued(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[int, Draw] | None:
        """Return the memory of a noted draw, and that draw with one more step; None for others.

        Raises what the function itself would.
        """
        if not args or not isinstance(target := args[0], Tensor) or (address := _address(target)) is None:
            return None
        memory, before = self._fresh.get(address, (target, None))
        if before is None or (target.requires_grad and torch.is_grad_enabled()):
            return None
        whole = (target.shape, target.stride(), target.dtype) == (memory.shape, memory.stride(), memory.dtype)
        if not (whole and all(type(value) in (int, float, type(None)) for value in (*args[1:], *kwargs.values()))):
            return None
        func(target.new_empty(0), *args[1:], **kwargs)
        return address, dataclasses.replace(before, steps=(*before.steps, (func, args[1:], kwargs)))

    def _find(self, values: Iterable[Any], found: dict[int, None]) -> None:
        """Add the addresses of fresh memory that arguments of a function may be, or hold."""
        for value in values:
            kind = type(value)
            if kind in _HOLD_NO_TENSOR:
                continue
            if (kind is Tensor or kind is nn.Parameter) and (address := _address(value)) is not None:
                if address in self._fresh:
                    found[address] = None
            elif kind is list or kind is tuple:
                self._find(value, found)
            elif kind is slice:
                self._find((value.start, value.stop, value.step), found)
            else:
                found.update(dict.fromkeys(self._fresh))

    def _carry_out(self, addresses: Iterable[int]) -> None:
        """Draw what is noted for this memory, which is fresh no longer."""
        for address in addresses:
            memory, draw = self._fresh.pop(address)
            if draw is not None:
                with torch.no_grad():
                    draw(memory)

    def defers(self) -> bool:
        """Return whether the default generator is in a state that we know; if not, note no more.

        It may be set back to one, as by `torch.random.fork_rng`: the same seeds are drawn again.
        """
        if self._states and (state := _default_state()) != self._states[-1]:
            self._states = [*self._states, state] if state in self._states else []
        return bool(self._states)


def draw_uniform_(tensor: Tensor, low: float, high: float, *, generator: torch.Generator | None = None) -> Tensor:
    """Fill `tensor` in place from the uniform distribution on [low, high].

    A generator yields 64 bits about as fast as 32, of which ``Tensor.uniform_`` takes 24 for each
    float32. Taking 32 of the 64 needs two thirds of the time, and draws from more values. Seeded as
    all of torch's draws are.
    """
    pairs_up = tensor.dtype == torch.float32 and tensor.is_contiguous() and tensor.storage_offset() % 2 == 0
    if not (pairs_up and tensor.device.type == "cpu" and low == -high):
        return tensor.uniform_(low, high, generator=generator)
    with torch.no_grad():
        flat = tensor.view(-1)
        pairs = flat[: flat.numel() // 2 * 2]
        pairs.view(torch.int64).random_(_ALL_BITS, None, generator=generator)
        pairs.copy_(pairs.view(torch.int32)).mul_(high * 2.0**-31)  # in its own place, number by number
        flat[pairs.numel() :].uniform_(low, high, generator=generator)
    return tensor


@lru_cache(4096)  # of several large networks
def _check(method: Any, dtype: torch.dtype, values: tuple[float, ...], named: tuple[tuple[str, float], ...]) -> None:
    """Raise what a draw with these arguments raises."""
    method(torch.empty(0, dtype=dtype), *values, **dict(named))


@lru_cache(4096)  # of several large networks
def _kaiming_std(shape: torch.Size, a: float, mode: Any, nonlinearity: Any) -> float:
    """Return the deviation that `init.kaiming_normal_` draws with; errors as there."""
    fan = init._calculate_correct_fan(torch.empty(shape, device="meta"), mode)
    return init.calculate_gain(nonlinearity, a) / math.sqrt(fan)


def _copy(pairs: list[tuple[Tensor, Tensor]]) -> None:
    """Copy the second of each two tensors into the first, and empty the list."""
    if pairs:
        torch._foreach_copy_([old for old, _ in pairs], [new for _, new in pairs])
        pairs.clear()


def _owners(tensor: Tensor) -> int:
    """Return how many owners torch counts of a tensor's memory, including the one who asks."""
    return int(torch._C._storage_Use_Count(tensor.untyped_storage()._cdata))


@cache
def _owners_alone() -> int:
    """Return the count for memory that one parameter and one deferral have.

    Versions of torch count differently.
    """
    memory = torch.empty(1)
    held, parameter = memory.detach(), nn.Parameter(memory)
    del memory
    return _owners(parameter) if held.numel() else 0


def _default_state() -> bytes:
    """Return the default generator's state, as bytes, which compare faster than tensors."""
    state = torch.default_generator.get_state()
    return (ctypes.c_char * state.numel()).from_address(state.data_ptr()).raw


def _address(tensor: Tensor) -> int | None:
    """Return where the values are; 0 if there are none, None if it cannot be told."""
    if type(tensor) is not Tensor and type(tensor) is not nn.Parameter:
        return None
    try:
        return tensor.data_ptr()
    except RuntimeError:
        return None
