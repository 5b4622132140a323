"""Classes of networks and blocks under timm's names, for code that builds or derives them.

Models are Zoo's, so ``isinstance(model, ResNet)`` asks about Zoo's class, or timm's. But Zoo's
networks take a configuration where timm's take blocks and depths: who calls the class, or derives
from it, writes for timm's, and gets that.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from zoo_compat.real import NotTimm, real_module


@cache
def stand_in(ours: type, path: str, is_facade: NotTimm) -> type:
    """Return the class that stands for `ours` and for timm's class of its name in `path`."""
    names = {"__module__": ours.__module__, "__qualname__": ours.__qualname__, "__doc__": ours.__doc__}
    made = type.__new__(_StandIn, ours.__name__, (ours,), names)
    made.ours, made.path, made.is_facade = ours, path, staticmethod(is_facade)
    return made


class _StandIn(type):
    ours: type
    path: str
    is_facade: NotTimm

    def __new__(cls, name: str, bases: tuple[type, ...], names: dict[str, Any], **options: Any) -> Any:
        """Derive from timm's classes instead of their stand-ins."""
        true = tuple(_timms(base) for base in bases)
        return type(true[0])(name, true, names, **options)

    def __call__(cls, *args: Any, **options: Any) -> Any:
        """Build timm's."""
        options = {name: _timms(value) for name, value in options.items()}
        return _timms(cls)(*map(_timms, args), **options)

    def __instancecheck__(cls, instance: object) -> bool:
        return issubclass(type(instance), cls)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, cls.ours) or any(
            base.__module__ == cls.path and base.__name__ == cls.__name__ for base in subclass.__mro__
        )


def _timms(value: Any) -> Any:
    """Return timm's class for a stand-in, and any other value as it is.

    Raises:
        TypeError: without timm.
    """
    if not isinstance(value, _StandIn):
        return value
    theirs = getattr(real_module(value.path, value.is_facade), value.__name__, None)
    if theirs is None:
        raise TypeError(
            f"{value.path}.{value.__name__}: building or deriving it needs timm's own class: pip install timm, "
            f"or build Zoo's, {value.ours.__module__}.{value.__name__}, of its configuration"
        )
    return theirs
