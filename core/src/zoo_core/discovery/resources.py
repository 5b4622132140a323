"""Reading a file that lies in an installed package, without importing the package.

Only regular files, up to a limit: a pipe would hold every listing up, and a device has no end.
"""

from __future__ import annotations

import os
import stat
import sys

from zoo_core.errors import PluginError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec
    from typing import Any


LIMIT_BYTES = 32 << 20
"""More than any manifest has: 100,000 architectures take 10 MB."""
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def read_file(path: str, limit: int = LIMIT_BYTES) -> bytes:
    """Read a regular file.

    Raises:
        OSError: also when it is no regular file, or has more than `limit` bytes.
    """
    descriptor = os.open(path, _FLAGS)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{path} is no regular file")
        if status.st_size > limit:
            raise OSError(f"{path} has {status.st_size:,} bytes, more than {limit:,}")
        data = os.read(descriptor, status.st_size + 1)
        while len(data) < status.st_size and (more := os.read(descriptor, status.st_size - len(data))):
            data += more
        return data
    finally:
        os.close(descriptor)


def read_data(package: str, name: str) -> bytes:
    """Read a file of a package, wherever its loader keeps it: a directory, an editable tree, a zip.

    Raises:
        PluginError: when package or file are not there, or would lie elsewhere; when a loader fails.
    """
    if not is_inside(name):
        raise PluginError(f"{name!r} is no path inside its package {package!r}")
    top, *inner = package.split(".")
    if not package.replace(".", "").isidentifier():
        raise PluginError(f"{package!r} is no name of a package")
    try:
        return _read_data(package, name, top, inner)
    except PluginError:
        raise
    except Exception as error:  # a custom finder or loader is foreign code
        raise PluginError(
            f"{name} cannot be read from its package {package!r}: {type(error).__name__}: {error}"
        ) from error


def is_inside(name: str) -> bool:
    """Whether a file's name is a relative path, with slashes, that stays in the folder it begins in."""
    parts = name.split("/")
    return name.isprintable() and not ("\\" in name or ":" in name or "" in parts or "." in parts or ".." in parts)


def _read_data(package: str, name: str, top: str, inner: list[str]) -> bytes:
    spec = find_spec(top)
    if spec is None:
        raise PluginError(f"its package {top!r} is not there, the installation is incomplete")
    if not spec.submodule_search_locations:
        raise PluginError(f"{top!r} is a module, not a package, so that {name} cannot lie in it")
    get_data = _reader(spec)
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
    except (ValueError, RecursionError) as error:
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


def _reader(spec: ModuleSpec) -> Callable[[str], bytes]:
    """What reads a package's files: its loader, unless they are files like all others."""
    loader: Any = spec.loader
    kept_elsewhere = hasattr(loader, "get_data") and not (spec.origin and os.path.isfile(spec.origin))
    return loader.get_data if kept_elsewhere else read_file
