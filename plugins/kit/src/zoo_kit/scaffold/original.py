"""The original to wrap: a class or function of a file or of an installed package."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn
from zoo_core.errors import OptionError, did_you_mean

from zoo_kit.conformance.requirements import distributions_of, imported, requirement_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

_MODULE = "_zoo_new_original"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Original:
    """A class or function that builds a `torch.nn.Module`."""

    name: str
    build: Callable[..., Any]
    path: Path | None
    """The file to copy; None for an installed package, which the plugin imports."""
    module: str
    """The installed module; empty for a file."""
    requirements: tuple[str, ...]
    """Dependencies of the plugin beyond torch, such as ``einops>=0.8``."""

    def make(self, **options: Any) -> nn.Module:
        """Build a module.

        Raises:
            OptionError: if that fails, or gives something else.
        """
        try:
            net = self.build(**options)
        except Exception as error:
            said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            raise OptionError(f"{self.name}() cannot be built: {said}") from error
        if not isinstance(net, nn.Module):
            raise OptionError(f"{self.name}() gives a {type(net).__name__}, not a torch.nn.Module")
        return net


def load_original(source: str) -> Original:
    """Load the original that ``FILE.py:Class`` or ``package.module:Class`` names.

    Raises:
        OptionError: if there is no such file, module or class, or it needs files beside it.
    """
    place, colon, name = source.rpartition(":")
    if not colon or not name.isidentifier() or not (place.endswith(".py") or _is_module(place)):
        raise OptionError(f"--from {source!r}: expected FILE.py:Class, or package.module:Class of an installed package")
    if place.endswith(".py"):
        return _of_file(source, Path(place), name)
    try:
        module = importlib.import_module(place)
    except Exception as error:
        hint = f"; a file is named with its suffix: {place}.py:{name}" if Path(f"{place}.py").is_file() else ""
        raise OptionError(f"--from {source!r}: {type(error).__name__}: {error}{hint}") from error
    build = _found(module, name, place)
    needed = requirement_of(place.partition(".")[0])
    if needed is None:
        raise OptionError(f"{place} belongs to no installed distribution: a plugin cannot require it; name its file")
    return Original(name=name, build=build, path=None, module=place, requirements=(needed,))


def _is_module(place: str) -> bool:
    return bool(place) and all(part.isidentifier() for part in place.split("."))


def _of_file(source: str, path: Path, name: str) -> Original:
    if not path.is_file():
        raise OptionError(f"--from {source!r}: there is no file {path}")
    before = set(sys.modules)
    module = _execute(path)
    folder = path.resolve().parent
    siblings = {
        loaded
        for loaded in set(sys.modules) - before - {_MODULE}
        if folder in Path(getattr(sys.modules[loaded], "__file__", None) or "/").resolve().parents
        and not distributions_of(loaded.partition(".")[0])  # a package in a .venv below the folder is no neighbour
    }
    if siblings:
        raise OptionError(f"{path} imports {min(siblings)}, which lies beside it: put all of the network into one file")
    build = _found(module, name, str(path))
    needed = [requirement_of(package) for package in sorted(imported(path.read_text(encoding="utf-8")))]
    return Original(
        name=name, build=build, path=path, module="", requirements=tuple(dict.fromkeys(filter(None, needed)))
    )


def _found(module: ModuleType, name: str, place: str) -> Callable[..., Any]:
    found = getattr(module, name, None)
    if inspect.isfunction(found) or (inspect.isclass(found) and issubclass(found, nn.Module)):
        return found
    classes = [key for key, value in vars(module).items() if inspect.isclass(value) and issubclass(value, nn.Module)]
    hint = did_you_mean(name, classes) or (f"; it has {', '.join(classes)}" if classes else "")
    raise OptionError(f"{place} has no torch.nn.Module {name!r}{hint}")


def _execute(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    assert spec is not None  # the path ends with .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise OptionError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module
