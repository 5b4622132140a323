"""Build modules without drawing the random values that weights replace, and without drawing anything twice.

Drawing is most of what building a network costs. That it is put off shows on the clock alone.
"""

from __future__ import annotations

import ctypes
import math
import threading
from functools import cache
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn
from torch.nn import init
from torch.overrides import TorchFunctionMode

from zoo_core.building.draw import draw_uniform_
from zoo_core.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

# Functions that give all of their first argument new values, whatever it held.
_DRAWS = {Tensor.uniform_, Tensor.normal_, init.uniform_, init.normal_, init.kaiming_uniform_, init.kaiming_normal_}
_OVERWRITES = {*_DRAWS, Tensor.copy_, Tensor.fill_, Tensor.zero_, init.constant_}
# Functions that make tensors of sizes alone.
_FACTORIES = {torch.empty, torch.ones, torch.zeros}
# Functions that read or set what a tensor is, and not its values.
_PROPERTIES = ("device", "dtype", "grad_fn", "is_leaf", "is_meta", "ndim", "requires_grad", "shape")
_METHODS = ("__hash__", "dim", "is_contiguous", "is_floating_point", "numel", "requires_grad_", "size", "stride")
_LOOKS = {getattr(Tensor, name).__get__ for name in _PROPERTIES} | {getattr(Tensor, name) for name in _METHODS}
_LOOKS |= {Tensor.requires_grad.__set__, torch._C._set_grad_enabled}  # type: ignore[attr-defined] # a descriptor
# Functions that draw from the default generator. One that is missing here is taken for somebody who sets a seed.
_RANDOM = {*_DRAWS, torch.normal, torch.rand, torch.rand_like, torch.randint, torch.randn, torch.randn_like}
_RANDOM |= {torch.bernoulli, torch.randperm, Tensor.bernoulli_, Tensor.random_}

_NUMBERS = frozenset({bool, int, float, type(None)})
_HOLD_NO_TENSOR = _NUMBERS | {complex, str, torch.Size, torch.dtype, torch.device, torch.layout, torch.memory_format}
_GENERATOR = torch.default_generator


class _Current(threading.local):
    deferral: Deferral | None = None


_current = _Current()


class Deferral(TorchFunctionMode):
    """Inside this context, a draw into fresh memory is noted, and carried out once somebody asks for the values.

    Fresh is memory of `torch.empty` that nothing but such draws has touched. Whatever else touches it (a read, a view,
    a write, by any function of PyTorch that this thread calls) has the draw carried out first, and works on an ordinary
    tensor. A draw from a generator of its own, or after a seed was set, is carried out at once: it has one right
    outcome. Not seen are other threads, TorchScript and C++ code to which a constructor hands an undrawn tensor.
    """

    def __init__(self) -> None:
        super().__init__()
        self._fresh: dict[int, tuple[Tensor, Callable[[Tensor], object] | None]] = {}  # by address: memory, noted draw
        self._taken: set[int] = set()
        torch.rand(())  # lest somebody who sets the caller's seed again, leaving the state as it was, stay unseen
        self._state = _state()
        self._defers = True

    def __enter__(self) -> Self:
        """Begin; deferrals nest."""
        self._outer, _current.deferral = _current.deferral, self
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: object) -> None:
        """End; `finish` is still to come."""
        _current.deferral = self._outer
        super().__exit__(*error)  # type: ignore[no-untyped-call]

    def finish(self, model: nn.Module, *, draw: bool = True) -> None:
        """Carry out what is still noted, once the context has ended; nothing with ``draw=False``.

        Raises:
            PluginError: for a parameter or buffer of `model` that nobody has given values.
        """
        undrawn = {address for address, (_, draw) in self._fresh.items() if draw is None}
        for name, tensor in (*model.named_parameters(), *model.named_buffers()) if undrawn else ():
            if _address(tensor) in undrawn:
                raise PluginError(
                    f"{name} is not initialised: {type(model).__name__} makes it with torch.empty and never fills it; "
                    "fill it in the constructor, or make it with torch.zeros"
                )
        if draw:
            self._carry_out(list(self._fresh))

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in _LOOKS:
            return func(*args, **(kwargs or {}))
        kwargs = kwargs or {}
        overwritten: int | None = None
        touched: dict[int, None] = {}  # in a determined order
        if func in _OVERWRITES:
            target = args[0] if args else kwargs["tensor"]
            overwritten = _address(target)
            if func in _DRAWS and overwritten in self._fresh and (draw := self._noted(func, target, args[1:], kwargs)):
                self._fresh[overwritten] = self._fresh[overwritten][0], draw
                return target
        if overwritten:
            self._find(args[1:], touched)
            self._find([kwargs[key] for key in kwargs if key != "tensor"] if kwargs else (), touched)
        elif func not in _FACTORIES or "out" in kwargs:
            self._find(args, touched)
            self._find(kwargs.values(), touched)
        if touched:
            self._carry_out(touched)
        random = func in _RANDOM and self._generator_is_ours()
        result = func(*args, **kwargs)
        if random:
            self._state = _state()
        if overwritten:
            self._fresh.pop(overwritten, None)
        elif func is torch.empty and "out" not in kwargs and (address := _address(result)) and result.is_cpu:
            self._fresh[address] = result.detach(), None  # a tensor that nobody else has, see `give`
        return result

    def _noted(self, func: Any, target: Tensor, args: Any, kwargs: dict[str, Any]) -> Callable[[Tensor], object] | None:
        """One of `_DRAWS` with these arguments, to be carried out later; None where that may not be.

        Raises what the function itself would.
        """
        if kwargs.get("generator") is not None or not self._generator_is_ours():
            return None
        is_uniform = func in (Tensor.uniform_, init.uniform_, init.kaiming_uniform_)
        method = Tensor.uniform_ if is_uniform else Tensor.normal_
        if func is not method:
            if func in (init.uniform_, init.normal_):
                args = [kwargs[name] for name in (("a", "b") if is_uniform else ("mean", "std"))]
            else:
                fan = init._calculate_correct_fan(target, kwargs["mode"])
                std = init.calculate_gain(kwargs["nonlinearity"], kwargs["a"]) / math.sqrt(fan)
                args = (-math.sqrt(3) * std, math.sqrt(3) * std) if is_uniform else (0.0, std)
            kwargs = {}
        elif target.requires_grad and torch.is_grad_enabled():
            return None  # which is an error
        if not all(type(value) in _NUMBERS for value in (*args, *kwargs.values())):
            return None
        method(target.new_empty(0), *args, **kwargs)
        if method is Tensor.uniform_ and len(args) == 2 and not kwargs:
            return lambda tensor: draw_uniform_(tensor, *args)
        return lambda tensor: method(tensor, *args, **kwargs)

    def _find(self, values: Iterable[Any], found: dict[int, None]) -> None:
        """Add the fresh memory that arguments of a function may be, or hold."""
        for value in values:
            kind = type(value)
            if kind in _HOLD_NO_TENSOR:
                continue
            if (kind is Tensor or kind is nn.Parameter) and (address := _address(value)) is not None:
                if address in self._fresh:
                    found[address] = None
            elif kind is list or kind is tuple:
                self._find(value, found)
            elif kind is dict:
                self._find(value.values(), found)
            elif kind is slice:
                self._find((value.start, value.stop, value.step), found)
            else:
                found.update(dict.fromkeys(self._fresh))

    def _carry_out(self, addresses: Iterable[int]) -> None:
        """Draw what is noted for this memory, which is fresh no longer."""
        ours = any(self._fresh[address][1] for address in addresses) and self._generator_is_ours()
        with torch.no_grad():
            for address in addresses:
                memory, draw = self._fresh.pop(address, (None, None))
                if memory is not None and draw is not None:
                    draw(memory)
        if ours:
            self._state = _state()

    def _generator_is_ours(self) -> bool:
        """Whether the default generator is as we left it. If not, draw what is noted as of then, and note no more."""
        if self._defers and (now := _state()) != self._state:
            self._defers = False
            _GENERATOR.set_state(torch.frombuffer(self._state, dtype=torch.uint8))
            _GENERATOR.manual_seed(int(torch.randint(2**62, ())))  # others may have drawn from that state too
            self._carry_out([address for address, (_, draw) in self._fresh.items() if draw])
            _GENERATOR.set_state(torch.frombuffer(now, dtype=torch.uint8))
        return self._defers


def give(old: Tensor, new: Tensor, *, share: bool = False) -> None:
    """Overwrite `old` by the values of `new`, of the same shape, as ``old.copy_(new)`` does; where gradients are off.

    With `share` it gets the memory of `new` instead of a copy where nobody can tell: its own is fresh and no other
    tensor has it, and no other has been given that of `new`.
    """
    if (deferral := _current.deferral) is not None and deferral._outer is None:
        with unseen():
            address, source = _address(old), _address(new)
            if address and source and source not in deferral._fresh:
                shares = (
                    share and address in deferral._fresh and source not in deferral._taken and not new.requires_grad
                )
                alike = (old.dtype, old.device, old.stride()) == (new.dtype, new.device, new.stride())
                if shares and alike and _owners(old) == _owners_alone():
                    old.data = new
                    deferral._taken.add(source)
                else:
                    old.copy_(new)
                deferral._fresh.pop(address, None)
                return
    old.copy_(new)


def _owners(tensor: Tensor) -> int:
    """How many owners torch counts of a tensor's memory, that which asks included."""
    return int(torch._C._storage_Use_Count(tensor.untyped_storage()._cdata))


@cache
def _owners_alone() -> int:
    """How many there are of memory that only a parameter has, and a deferral; versions of torch count differently."""
    memory = torch.empty(1)
    held, parameter = memory.detach(), nn.Parameter(memory)
    del memory
    return _owners(parameter) if held.numel() else 0


def unseen() -> AbstractContextManager[None]:
    """A context for functions that touch no fresh memory, which a deferral then need not look at."""
    return torch._C.DisableTorchFunction()


def _state() -> bytearray:
    """The default generator's, as bytes: tensors take longer to compare than to draw."""
    state = _GENERATOR.get_state()
    return bytearray(ctypes.string_at(state.data_ptr(), state.numel()))


def _address(tensor: Tensor) -> int | None:
    """Where the values are; 0 if there are none, None if it cannot be told."""
    if type(tensor) is not Tensor and type(tensor) is not nn.Parameter:
        return None
    try:
        return tensor.data_ptr()
    except RuntimeError:
        return None
