"""Weights on this machine: a file inside an installed package, ``file:`` and plain paths."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from zoo_core.errors import WeightsError
from zoo_core.hooks import hookimpl
from zoo_core.weights.cache.entry import store
from zoo_core.weights.cache.paths import is_file, stays_inside, user_path
from zoo_core.weights.cache.verify import Expected, sha256_of

if TYPE_CHECKING:
    from zoo_core.weights.transfer.request import FetchRequest

SCHEMES = ("", "file", "package")


@hookimpl(trylast=True)
def zoo_fetch_weights(request: FetchRequest) -> Path | None:
    """Return the file itself, compared with the expected hash."""
    if request.scheme not in SCHEMES:
        return None
    path = _locate(request)
    if not is_file(path):
        raise WeightsError(f"{request.name}: there is no file {path} (from {request.source!r})")
    if not request.sha256:
        return path
    try:
        actual = sha256_of(path)
    except OSError as error:
        raise WeightsError(f"{request.name}: {path} cannot be read ({error.strerror or error})") from error
    if not Expected(request.sha256, "config").matches(actual):
        raise WeightsError(
            f"{request.name}: {path} has SHA-256 {actual}, its config expects {request.sha256}; it is not used"
        )
    return path


def paths_of(request: FetchRequest) -> list[Path]:
    """Return the file's path; nothing for a package that is not installed."""
    try:
        return [_locate(request)]
    except WeightsError:
        return []


def _locate(request: FetchRequest) -> Path:
    if request.scheme == "package":
        return _in_package(request)
    if request.scheme == "file":
        location = request.location
        # Both file:relative/path and the standard's file://host/absolute/path, whose host is this
        # machine.
        return user_path(unquote("/" + location[2:].partition("/")[2]) if location.startswith("//") else location)
    return user_path(request.source)


def _in_package(request: FetchRequest) -> Path:
    package, _, inside = request.location.partition("/")
    # A dotted name would make find_spec import the parent package.
    if not stays_inside(inside) or not package.isidentifier():
        raise WeightsError(
            f"{request.name}: {request.source!r} is no place in a package; it reads 'package:package_name/path/to/file'"
        )
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise WeightsError(f"{request.name}: its weights are in the package {package!r}, which is not installed")
    paths = [Path(folder) / inside for folder in spec.submodule_search_locations or ()]
    if not paths:
        raise WeightsError(f"{request.name}: {package!r} is a module without a folder, it cannot hold {inside!r}")
    found = next(filter(is_file, paths), None)
    return found or _unzipped(spec.loader, paths[0], request) or paths[0]


def _unzipped(loader: object, path: Path, request: FetchRequest) -> Path | None:
    """Copy a file out of a zipped package into the cache."""
    try:
        content = loader.get_data(str(path))  # type: ignore[attr-defined] # a part of the protocol that few loaders lack
    except (AttributeError, OSError):
        return None
    return store(content, request.cache_dir, f"package/{request.location}", url=request.source).path
