"""Files of an installed package, read without importing the package.

Only regular files of limited size are read: a pipe would block a listing, and a device never ends.
"""

from __future__ import annotations

import os
import stat
import sys

from zoo_core.errors import PluginError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from typing import Any

LIMIT_BYTES = 32 << 20
"""More than any manifest has: 100,000 architectures take 10 MB."""


def read_file(path: str, limit: int = LIMIT_BYTES) -> bytes:
    """Read a regular file.

    Raises:
        OSError: also for anything but a regular file, and for a file of more than `limit` bytes.
    """
    with open(path, "rb", opener=_open) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{path} is no regular file")
        if status.st_size > limit:
            raise OSError(f"{path} has {status.st_size:,} bytes, more than {limit:,}")
        return file.read(status.st_size)


def _open(path: str, flags: int) -> int:
    # Opening a pipe would wait for its writer.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_data(package: str, name: str) -> bytes:
    """Read a file of a package through its loader: from a folder, an editable tree or a zip.

    Raises:
        PluginError: if the package or the file is missing, the file's name leads out of the
            package, or the loader fails.
    """
    if not is_inside(name):
        raise PluginError(f"{name!r} is no path inside its package {package!r}")
    if not package.replace(".", "").isidentifier():
        raise PluginError(f"{package!r} is no name of a package")
    top, *inner = package.split(".")
    reason: Exception
    try:
        if (spec := find_spec(top)) is None:
            raise PluginError(f"its package {top!r} is not there, the installation is incomplete")
        if not spec.submodule_search_locations:
            raise PluginError(f"{top!r} is a module, not a package, so that {name} cannot lie in it")
        loader: Any = spec.loader
        in_archive = hasattr(loader, "get_data") and not (spec.origin and os.path.isfile(spec.origin))
        get_data = loader.get_data if in_archive else read_file
        for location in spec.submodule_search_locations:
            try:
                return get_data(os.path.join(location, *inner, name))
            except OSError as error:
                reason = error
    except PluginError:
        raise
    except Exception as error:  # a custom finder or loader is foreign code
        reason = error
    what = f"{name} cannot be read from its package {package!r}"
    raise PluginError(f"{what}: {type(reason).__name__}: {reason}") from reason


def is_inside(name: str) -> bool:
    """Whether a file's name is a relative path, with slashes, that stays in its folder."""
    parts = name.split("/")
    return name.isprintable() and not ("\\" in name or ":" in name or "" in parts or "." in parts or ".." in parts)


def find_spec(top: str) -> ModuleSpec | None:
    """Find a top-level package without executing it, as `importlib.util` (slow to import) does."""
    if spec := getattr(sys.modules.get(top), "__spec__", None):
        return spec
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        if find is not None and (spec := find(top, None)) is not None:
            return spec
    return None
