"""Build a network without drawing its weights, and without memory for those that something else will bring."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, Self, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import init
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What allocates parameters and buffers. Factories of values that a constructor computes with (arange, linspace, tensor)
# are left alone, so that such a value is what it should be.
_ALLOCATIONS = frozenset({torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn})
_DRAWS = frozenset(
    {
        init.uniform_,
        init.normal_,
        init.constant_,
        init.kaiming_uniform_,
        init.kaiming_normal_,
        Tensor.uniform_,
        Tensor.normal_,
        Tensor.fill_,
        Tensor.zero_,
    }
)


_META = torch.device("meta")


class Blueprint(TorchFunctionMode):
    """Inside this context, tensors are allocated on the meta device, and nothing is drawn into those.

    Unlike ``with torch.device("meta")`` it skips the work of drawing, which takes most of the time there, it copies
    instead of constructing (see `construct`), and it holds for the current thread alone.

    Args:
        place: where copies get their tensors, undrawn: for a network that will be drawn as soon as it is built, where
            those will be needed. What is constructed instead of copied is on the meta device all the same.
    """

    def __init__(self, place: torch.device = _META) -> None:
        super().__init__()
        self.place = place
        self.prototypes: dict[Any, Prototype | None] = {}
        self._outer: Blueprint | None = None

    def __enter__(self) -> Self:
        """Begin; blueprints nest."""
        self._outer, _current.blueprint = _current.blueprint, self
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: object) -> None:
        """End, also after an error."""
        _current.blueprint = self._outer
        super().__exit__(*error)  # type: ignore[no-untyped-call]

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if _current.blueprint is not self:
            return func(*args, **kwargs)
        if func in _ALLOCATIONS:
            if kwargs.get("device") is None:
                kwargs["device"] = "meta"
                func = torch.empty  # the others run Python decompositions on the meta device, 80 ms of imports
        elif func in _DRAWS:
            tensor = args[0] if args else kwargs["tensor"]
            if tensor.is_meta:
                return tensor
        return func(*args, **kwargs)


class _Current(threading.local):
    blueprint: Blueprint | None = None


_current = _Current()


def is_active() -> bool:
    """Whether this thread is inside a blueprint."""
    return _current.blueprint is not None


@contextmanager
def suspended() -> Iterator[None]:
    """Outside of any blueprint for a while: a network may be drawn while one that it is a part of is being built."""
    outer, _current.blueprint = _current.blueprint, None
    try:
        yield
    finally:
        _current.blueprint = outer


P = ParamSpec("P")
M = TypeVar("M", bound=nn.Module)
C = TypeVar("C")


def construct(constructor: Callable[P, M], /, *args: P.args, **kwargs: P.kwargs) -> M:
    """``constructor(*args, **kwargs)``; inside a blueprint, a copy of what it made of such arguments before.

    A network is made of few different layers, and constructing them is most of what building it takes: PyTorch's
    constructors allocate, draw and register, at 60 to 100 us a layer; a copy takes 4 to 6. Outside a blueprint nothing
    is copied, and the copies are what the constructor would have made: modules of the same class with tensors and
    children of their own.
    """
    blueprint = _current.blueprint
    if blueprint is None:
        return constructor(*args, **kwargs)
    sizes = args[: _SIZES.get(constructor, 0)]
    if not all(type(size) is int and size > 0 for size in sizes):
        return constructor(*args, **kwargs)  # which says what is wrong
    for known in (sizes, ()) if sizes else ((),):
        key = (constructor, len(known), args[len(known) :], *kwargs.items())
        try:
            is_new = key not in blueprint.prototypes
        except TypeError:  # an argument that has no hash
            break
        if is_new:
            place, blueprint.place = blueprint.place, _META
            try:
                blueprint.prototypes[key] = _prototype(constructor, len(known), args, kwargs)
            finally:
                blueprint.place = place
        if (prototype := blueprint.prototypes[key]) is not None:
            twin: M = prototype.copy(known, blueprint.place)
            return twin
    return constructor(*args, **kwargs)


def repeatable(constructor: Callable[P, M]) -> Callable[P, M]:
    """A constructor of modules that goes through `construct`: for one that a network calls again and again."""
    return cast("Callable[P, M]", partial(construct, constructor))


def sized(count: int) -> Callable[[C], C]:
    """Declare of a class, or of a function that makes a module, that its first `count` arguments are but sizes.

    They turn up in the module as whole numbers and as dimensions of tensors, but not halved, in a tuple, or deciding on
    what is made. Then one prototype serves for all sizes.
    """

    def declare(constructor: C) -> C:
        _SIZES[constructor] = count
        return constructor

    return declare


def actual(size: int) -> int:
    """`size`, to compute with: halved, rounded, compared, which no stand-in for all sizes bears.

    A `sized` constructor that asks for one gets a prototype for each of its sizes.

    Raises:
        ValueError: while a prototype for all sizes is made, which catches it.
    """
    if size in _MARKS:
        raise ValueError(f"{size} stands for sizes that are not known yet")
    return size


_SIZES: dict[Any, int] = {nn.Conv2d: 2, nn.BatchNorm2d: 1, nn.Linear: 2}

# What stands for a size while a prototype is made: numbers that nothing else in a layer is, and that nothing divides,
# so that a layer which divides them (a grouped convolution) refuses them and gets a prototype for each of its sizes.
_MARKS = (1_000_003, 1_000_033)

# What a module may hold to be copied: containers, copied one level deep, of values that nothing changes.
_CONTAINERS = frozenset({dict, OrderedDict, set, list})
_PLAIN = frozenset({bool, float, str, type(None)})  # the most common constants, which are no mark
_CONSTANTS = (bool, int, float, complex, str, bytes, tuple, type(None), type, torch.dtype, torch.device, torch.layout)


def _prototype(constructor: Any, marked: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Prototype | None:
    try:
        return Prototype.of(constructor(*_MARKS[:marked], *args[marked:], **kwargs))
    except (ValueError, TypeError):
        if marked:
            return None
        raise


class Prototype(NamedTuple):
    """What a constructor made: its class, its values, and what of them is a size."""

    kind: type[nn.Module]
    constants: dict[str, Any]
    sizes: list[tuple[str, int]]
    """Attribute, and the mark of the size that it is."""
    containers: list[tuple[str, Any]]
    undrawn: list[tuple[str, str, type[Tensor], bool, torch.dtype, tuple[int, ...]]]
    """Registry, name in it, class, whether it requires a gradient, dtype, shape, maybe with a size in it."""
    computed: list[tuple[str, str, type[Tensor], bool, Tensor]]
    """Registry, name in it, class, whether it requires a gradient; the value that the constructor computed."""
    children: list[tuple[str, Prototype]]

    @classmethod
    def of(cls, module: nn.Module) -> Prototype | None:
        """The prototype of `module`; None where it, or a child, holds something that might not bear being copied."""
        constants: dict[str, Any] = {}
        sizes: list[tuple[str, int]] = []
        containers: list[tuple[str, Any]] = []
        for name, value in vars(module).items():
            if type(value) in _CONTAINERS:
                if name in ("_parameters", "_buffers", "_modules"):
                    containers.append((name, dict.fromkeys(value)))  # in their order; filled below
                elif not value or all(map(_is_constant, value.values() if isinstance(value, dict) else value)):
                    containers.append((name, value.copy()))
                else:
                    return None
            elif type(value) in _PLAIN:
                constants[name] = value
            elif value in _MARKS:
                sizes.append((name, value))
            elif _is_constant(value):
                constants[name] = value
            else:
                return None
        undrawn: list[tuple[str, str, type[Tensor], bool, torch.dtype, tuple[int, ...]]] = []
        computed: list[tuple[str, str, type[Tensor], bool, Tensor]] = []
        for registry in ("_parameters", "_buffers"):
            for name, tensor in vars(module)[registry].items():
                if tensor is None:
                    continue
                known = registry, name, type(tensor), tensor.requires_grad
                if tensor.is_meta:
                    undrawn.append((*known, tensor.dtype, tuple(tensor.shape)))
                elif any(size in _MARKS for size in tensor.shape):
                    return None
                else:
                    computed.append((*known, tensor.detach()))
        children = []
        for name, child in module._modules.items():
            if child is not None:
                if (prototype := cls.of(child)) is None:
                    return None
                children.append((name, prototype))
        return cls(type(module), constants, sizes, containers, undrawn, computed, children)

    def copy(self, sizes: tuple[Any, ...], place: torch.device) -> Any:
        """A module of these sizes, whose undrawn tensors are in this place."""
        with torch._C.DisableTorchFunction():  # the blueprint has no say in copies, and asking it takes longer
            return self._copy(dict(zip(_MARKS, sizes, strict=False)), place)

    def _copy(self, sizes: dict[int, int], place: torch.device) -> Any:
        twin = self.kind.__new__(self.kind)
        state = twin.__dict__
        state.update(self.constants)
        for name, mark in self.sizes:
            state[name] = sizes.get(mark, mark)
        for name, container in self.containers:
            state[name] = container.copy()
        for registry, name, kind, requires_grad, dtype, shape in self.undrawn:
            new = _empty([sizes.get(size, size) for size in shape], dtype, place)
            is_plain = kind is Tensor and not requires_grad
            state[registry][name] = new if is_plain else Tensor._make_subclass(kind, new, requires_grad)
        for registry, name, kind, requires_grad, value in self.computed:
            # `_make_subclass` is how nn.Parameter makes itself.
            state[registry][name] = Tensor._make_subclass(kind, value.clone(), requires_grad)
        for name, child in self.children:
            state["_modules"][name] = child._copy(sizes, place)
        return twin


def _empty(shape: list[int], dtype: torch.dtype, place: torch.device) -> Tensor:
    if not shape:
        return torch.empty((), dtype=dtype, device=place)
    return torch.empty(*shape, dtype=dtype, device=place)  # numbers, since a list takes half as long again to read


def _is_constant(value: object) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_constant, value))
    return (isinstance(value, _CONSTANTS) and value not in _MARKS) or (
        callable(value) and not isinstance(value, nn.Module)
    )
