"""Modules that look like timm's: a name is Zoo's where Zoo has it, else the installed timm's."""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from zoo_compat.classes import stand_in
from zoo_compat.paths import NETWORKS, PREFIX, PROVIDERS, canonical
from zoo_compat.real import file_of, is_importing, real_module

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION = "1.0.31"
"""The version of timm whose names these are."""
_REMEDY = "pip install timm, for timm's own"


class Facade(ModuleType):
    """One module of timm, such as ``timm.models``, as `zoo_compat.paths` says who serves it."""

    def __init__(self, path: str) -> None:
        super().__init__(path, f"{path}, served by Zoo.")
        self.zoo_path = path
        self.__path__: list[str] = []  # a package: `_Finder` finds its modules
        self.__version__ = VERSION

    @property
    def __name__(self) -> str:  # type: ignore[override] # as below
        """Return a name that the import system finds: it looks for missing names below it."""
        return self.zoo_path if "timm" in _finder.prefixes else PREFIX + self.zoo_path.removeprefix("timm")

    @property
    def __file__(self) -> str:  # type: ignore[override] # of a module it may be anything
        """Return timm's own file where there is one: libraries look for data beside it."""
        return file_of(self.zoo_path) or __file__

    def __getattr__(self, name: str) -> Any:
        """Return Zoo's object of that name, a module of timm's, or the installed timm's object."""
        if name.startswith("__"):  # the import system asks for many that modules need not have
            raise AttributeError(name)
        for provider in PROVIDERS[self.zoo_path]:
            try:
                module = importlib.import_module(provider)
            except ModuleNotFoundError as error:
                if not f"{provider}.".startswith(f"{error.name}."):  # no family that is not installed
                    raise
                continue
            if name in getattr(module, "__all__", ()) or (hasattr(module, name) and not name.startswith("_")):
                value = getattr(module, name)
                if self.zoo_path in NETWORKS and isinstance(value, type):
                    value = stand_in(value, self.zoo_path, _is_facade)
                setattr(self, name, value)
                return value
        if part := canonical(f"{self.zoo_path}.{name}"):
            return facade(part)
        return self._from_timm(name)

    def _from_timm(self, name: str) -> Any:
        module = real_timm(self.zoo_path)
        if module is not None and hasattr(module, name):
            return getattr(module, name)
        if (part := real_timm(f"{self.zoo_path}.{name}")) is not None:
            return part
        remedy = "timm has neither" if module is not None else _REMEDY
        raise AttributeError(f"Zoo has no {self.zoo_path}.{name}; {remedy}")

    def __dir__(self) -> list[str]:
        names: set[str] = set()
        for provider in PROVIDERS[self.zoo_path]:
            try:
                names.update(getattr(importlib.import_module(provider), "__all__", ()))
            except ModuleNotFoundError:
                continue
        return sorted(names)


_facades: dict[str, Facade] = {}


def facade(path: str) -> Facade:
    """Return the module that serves ``timm...``, a key of `PROVIDERS`."""
    return _facades.setdefault(path, Facade(path))


def install() -> None:
    """Serve Zoo to every later ``import timm`` of this process, also those of other libraries.

    Raises:
        ImportError: if timm itself has been imported: what was taken from it stays timm's.
    """
    if any(name.partition(".")[0] == "timm" and not _is_facade(module) for name, module in [*sys.modules.items()]):
        raise ImportError("timm has been imported already: call install() before anything imports it")
    _finder.prefixes.add("timm")


def uninstall() -> None:
    """Undo `install`: a later ``import timm`` finds the installed timm."""
    _finder.prefixes.discard("timm")
    for name in [name for name in sys.modules if name.partition(".")[0] == "timm"]:
        if _is_facade(sys.modules[name]):
            del sys.modules[name]


def real_timm(path: str) -> ModuleType | None:
    """Import a module of the installed timm; None where there is none."""
    return real_module(path, _is_facade)


def _is_facade(module: ModuleType) -> bool:
    return isinstance(module, Facade)


class _Finder:
    """Finds the modules below `PREFIX`, and after `install` those of timm."""

    def __init__(self) -> None:
        self.prefixes = {PREFIX}
        self._specs: dict[str, ModuleSpec | None] = {}

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        """Return a spec for a module of timm's that Zoo or the installed timm has.

        Raises:
            ModuleNotFoundError: without timm, for another, also for a name imported from one.
        """
        prefix = next((one for one in self.prefixes if name == one or name.startswith(f"{one}.")), None)
        if prefix is None or is_importing():
            return None
        wanted = "timm" + name.removeprefix(prefix)
        if canonical(wanted) is None and real_timm(wanted) is None:
            if real_timm("timm") is None:
                raise ModuleNotFoundError(f"Zoo has no {wanted}; {_REMEDY}", name="timm")
            return None
        return ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type] # it has the methods

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Return the facade, or the installed timm's module."""
        prefix = PREFIX if spec.name.startswith(PREFIX) else "timm"
        wanted = "timm" + spec.name.removeprefix(prefix)
        served = canonical(wanted)
        module = facade(served) if served else real_timm(wanted)
        self._specs[spec.name] = getattr(module, "__spec__", None)
        return module

    def get_data(self, path: str) -> bytes:
        """Return the content of a file beside timm's modules, as `pkgutil.get_data` asks for it."""
        return Path(path).read_bytes()

    def exec_module(self, module: ModuleType) -> None:
        """Give back a module of timm's what the import system has taken for its own: its spec."""
        spec = self._specs.pop(module.__spec__.name, None) if module.__spec__ else None
        if not _is_facade(module):
            module.__spec__ = spec


_finder = _Finder()
sys.meta_path.insert(0, _finder)
