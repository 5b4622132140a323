"""An installed timm, beside a facade that may have taken its name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

NotTimm = Callable[[ModuleType], bool]
_lock = RLock()
_real: dict[str, ModuleType] = {}  # those of timm's own modules that facades hide
_importing = False


def real_module(path: str, is_facade: NotTimm) -> ModuleType | None:
    """Import a module of the installed timm under its own name.

    Facades step aside meanwhile, for timm's modules import one another. A module that does so
    later, in a function, gets the facade, which has all of timm's names too.

    Args:
        path: such as ``timm.optim``.
        is_facade: tells a facade from a module of timm.

    Returns:
        The module; None where timm is not installed, or has no such module.
    """
    with _lock, _facades_aside(is_facade):
        try:
            return importlib.import_module(path)
        except ModuleNotFoundError as error:
            if error.name is not None and (path == error.name or path.startswith(f"{error.name}.")):
                return None
            raise


def file_of(path: str) -> str | None:
    """Return the file of a module of the installed timm without importing it; None without one."""
    spec = PathFinder.find_spec("timm")
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin).parent.joinpath(*path.split(".")[1:])
    return str(file / "__init__.py" if file.is_dir() else file.with_suffix(".py"))


def is_importing() -> bool:
    """Return whether timm's own modules are being imported, which facades must not answer."""
    return _importing


@contextmanager
def _facades_aside(is_facade: NotTimm) -> Iterator[None]:
    global _importing
    before, was_importing = _of_timm(), _importing
    facades = {name: module for name, module in before.items() if is_facade(module)}
    for name in facades:
        del sys.modules[name]
    sys.modules.update(_real)
    _importing = True
    try:
        yield
    finally:
        _importing = was_importing
        if facades:
            _real.update(_of_timm())
            for name in _real:
                sys.modules.pop(name, None)
            sys.modules.update(facades)


def _of_timm() -> dict[str, ModuleType]:
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "timm"}
