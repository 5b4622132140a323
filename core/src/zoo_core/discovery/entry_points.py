"""Zoo's entry points, by a direct scan of the path.

`importlib_metadata` takes longer to import than Python to start, parses every distribution's file,
and one undecodable byte in any metadata ends its listing. The scan opens each ``entry_points.txt``
once and parses it only if it mentions Zoo. Zips and custom finders still go to
`importlib_metadata`, which the tests compare the scan with.
"""

from __future__ import annotations

import os
import sys

from zoo_core.discovery.resources import read_file
from zoo_core.names import is_word, normalize_distribution
from zoo_core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from packaging.version import Version

MODELS_GROUP = "zoo_core.models"
HOOKS_GROUP = "zoo_core.hooks"
GROUPS = (MODELS_GROUP, HOOKS_GROUP)

MARK = b"zoo_core."  # in the entry_points.txt of every distribution that concerns us
_LIMIT_BYTES = 4 << 20


class EntryPoint(Record):
    """One line of an ``entry_points.txt``: ``name = module:attribute``, under ``[group]``."""

    __slots__ = ("distribution", "group", "name", "path", "value", "version")

    def __init__(self, distribution: str, version: str, group: str, name: str, value: str, path: str) -> None:
        self.distribution = distribution
        """Normalised: ``zoo-resnet``."""
        self.version = version
        self.group = group
        self.name = name
        self.value = value
        self.path = path
        """Its ``.dist-info`` directory."""

    @property
    def module(self) -> str:
        """The part of its value before the colon."""
        return self.value.partition(":")[0].strip()

    @property
    def attribute(self) -> str:
        """The part of its value after the colon, without extras; empty for a module alone."""
        return self.value.partition(":")[2].partition("[")[0].strip()

    def __str__(self) -> str:
        return f"{self.distribution} {self.version} (entry point {self.name!r} = {self.value!r} in {self.group})"


class Scan(Record):
    """The results of a scan: entry points, and metadata that needs repair."""

    __slots__ = ("chosen", "damaged", "entry_points", "unused")

    def __init__(self) -> None:
        self.entry_points: list[EntryPoint] = []
        self.chosen: dict[str, str] = {}
        """Every distribution, with its metadata directory."""
        self.unused: list[tuple[str, str]] = []
        """Ignored metadata directories, each with the one used instead, or an empty text."""
        self.damaged: list[tuple[str, str]] = []
        """Metadata directories that mention Zoo, each with a fault of its ``entry_points.txt``."""


def scan(path: Iterable[object] | None = None) -> Scan:
    """Read Zoo's entry points of every distribution on `path` (default: `sys.path`).

    As for imports, the first path entry with a distribution wins. Never raises for what it finds.
    """
    found = Scan()
    chosen = found.chosen
    for key, version, location, data in _distributions(found, path):
        if key in chosen and _is_installed(chosen[key]):
            found.unused.append((location, chosen[key]))
        else:
            chosen[key] = location
            if MARK in data:
                _add(found, key, version, location, data)
    found.entry_points.sort(key=lambda point: (point.group, point.distribution, point.name))
    return found


def _distributions(found: Scan, path: Iterable[object] | None) -> Iterator[tuple[str, str, str, bytes]]:
    """Yield (normalised name, version or "", location, entry_points.txt) in path order."""
    entries: Iterable[object] = sys.path if path is None else path
    for entry in dict.fromkeys(entries):
        if not isinstance(entry, str):  # imports ignore it as well
            continue
        if os.path.isfile(entry) or entry.endswith(".egg"):
            from zoo_core.discovery.fallback import distributions

            yield from distributions(entry)
            continue
        try:
            names = os.listdir(entry or ".")
        except (OSError, ValueError):  # missing, unreadable, or no path at all
            continue
        for key, location in _one_each(found, entry, names):
            yield key, "", location, read_entry_points(location)
    for finder in sys.meta_path if path is None else ():
        # Finders of Python and of the backport read the path, which was read above.
        known = getattr(finder, "__module__", "").partition(".")[0] in (
            "_frozen_importlib_external",
            "importlib_metadata",
        )
        if hasattr(finder, "find_distributions") and not known:
            from zoo_core.discovery.fallback import distributions

            yield from distributions(finder=finder)


def _one_each(found: Scan, entry: str, names: list[str]) -> Iterable[tuple[str, str]]:
    """(normalised name, metadata directory) of each distribution in one directory of the path."""
    locations: dict[str, str] = {}
    for name in names:
        if not name.endswith((".dist-info", ".egg-info")):
            continue
        location = os.path.join(entry, name)
        # pip renames the old version to "~oo-1.0.dist-info", which stays there if pip is killed.
        if name.startswith("~"):
            found.unused.append((location, ""))
            continue
        key = identity(location)[0]
        if key in locations:
            worse, location = sorted((locations[key], location), key=_rank)
            found.unused.append((worse, location))
        locations[key] = location
    return locations.items()


def _rank(location: str) -> tuple[bool, Version]:
    """Order several versions in one directory: a complete installation wins, then the newest."""
    from packaging.version import InvalidVersion, Version

    try:
        return _is_installed(location), Version(identity(location)[1])
    except InvalidVersion:
        return _is_installed(location), Version("0.dev0")


def _is_installed(location: str) -> bool:
    """Return whether it is more than an uninstall's leftover: every installer writes METADATA."""
    files = (os.path.join(location, name) for name in ("METADATA", "PKG-INFO"))
    return not os.path.isdir(location) or any(map(os.path.isfile, files))


def _add(found: Scan, key: str, version: str, location: str, data: bytes) -> None:
    """Add the entry points of one distribution, and the faults of their file."""
    if not is_word(key):
        found.damaged.append((location, f"a distribution {key!r}, and none can have that name"))
        return
    # One byte in Latin-1, or a byte-order mark, must not cost the distribution its other lines.
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    if "\ufffd" in text:
        found.damaged.append((location, "a byte that is not UTF-8"))
    version, group = version or identity(location)[1], ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1].strip()
        elif line and group in GROUPS and not line.startswith(("#", ";")):
            name, value = map(str.strip, line.partition("=")[::2])
            if name and value:
                found.entry_points.append(EntryPoint(key, version, group, name, value, location))
            else:
                found.damaged.append((location, f"a line {name or value!r} in [{group}] that is not 'name = value'"))


def read_entry_points(location: str) -> bytes:
    """Read the ``entry_points.txt`` of a metadata directory; empty if it cannot be read."""
    try:
        return read_file(os.path.join(location, "entry_points.txt"), _LIMIT_BYTES)
    except OSError:
        return b""


def read_metadata(location: str) -> list[tuple[str, str]]:
    """Read the (field, value) pairs of a distribution's metadata; none if it cannot be read."""
    for name in ("METADATA", "PKG-INFO"):
        try:
            text = read_file(os.path.join(location, name), _LIMIT_BYTES).decode("utf-8", "replace")
        except OSError:
            continue
        header = text.replace("\r\n", "\n").partition("\n\n")[0]
        return [(field, value.strip()) for field, _, value in (line.partition(":") for line in header.splitlines())]
    return []


def identity(location: str) -> tuple[str, str]:
    """The normalised name and the version of a metadata directory.

    Installers write both into the directory's name, without hyphens in either. With more hyphens
    or none (a source tree's ``zoo_x.egg-info``, an unescaped name), the metadata inside is read.
    """
    stem, _, kind = os.path.basename(location).rpartition(".")
    name, _, version = stem.lstrip("~").partition("-")
    if kind == "egg-info":
        version = version.partition("-py")[0]
    if not version[:1].isdigit() or "-" in version:
        fields = dict(reversed(read_metadata(location)))  # the first line of a field counts
        name, version = fields.get("Name") or name, fields.get("Version") or version
    return normalize_distribution(name), version
