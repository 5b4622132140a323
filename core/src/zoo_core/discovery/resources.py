"""Reading a file that lies in an installed package, without importing the package."""

from __future__ import annotations

import os
import sys

from zoo_core.errors import PluginError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from typing import Any


def read_data(package: str, name: str) -> bytes:
    """Read a file of a package, wherever its loader keeps it: a directory, an editable tree, a zip.

    Raises:
        PluginError: when package or file are not there.
    """
    top, *inner = package.split(".")
    spec = find_spec(top)
    if spec is None:
        raise PluginError(f"its package {top!r} is not there, the installation is incomplete")
    if not spec.submodule_search_locations:
        raise PluginError(f"{top!r} is a module, not a package, so that {name} cannot lie in it")
    get_data = getattr(spec.loader, "get_data", _read_file)
    reason: OSError | None = None
    for location in spec.submodule_search_locations:
        try:
            return get_data(os.path.join(location, *inner, name))
        except OSError as error:
            reason = error
    raise PluginError(f"{name} cannot be read from its package {package!r}: {reason}")


def read_json(package: str, name: str) -> Any:
    """Read a JSON file of a package.

    Raises:
        PluginError: naming the file and what is wrong with it.
    """
    import json

    data = read_data(package, name)
    try:
        return json.loads(data)
    except ValueError as error:
        raise PluginError(f"{name} in {package} is not valid JSON: {error}") from error


def find_spec(top: str) -> ModuleSpec | None:
    """Find a top-level package, as an import would, without executing it."""
    if spec := getattr(sys.modules.get(top), "__spec__", None):
        return spec
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        if find is not None and (spec := find(top, None)) is not None:
            return spec
    return None


def _read_file(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
