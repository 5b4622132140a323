"""Zoo's entry points, by a direct scan of the path.

`importlib_metadata` takes longer to import than Python to start, parses every distribution's file, and lets one
undecodable byte in anybody's metadata stop the whole listing. The scan opens each ``entry_points.txt`` once and looks
closer only where it mentions Zoo. What is not a plain directory (a zip, a custom finder) goes to `importlib_metadata`
after all, against which the tests hold the scan in every environment.
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

MODELS_GROUP = "zoo_core.models"
HOOKS_GROUP = "zoo_core.hooks"
GROUPS = (MODELS_GROUP, HOOKS_GROUP)

MARK = b"zoo_core."  # what the file of a distribution that concerns us contains
_SUFFIXES = (".dist-info", ".egg-info")
_LIMIT_BYTES = 4 << 20


class EntryPoint(Record):
    """One line of a distribution's ``entry_points.txt``: ``name = module:attribute``, under ``[group]``."""

    __slots__ = ("distribution", "group", "name", "path", "value", "version")

    def __init__(self, distribution: str, version: str, group: str, name: str, value: str, path: str) -> None:
        self.distribution = distribution
        """Normalised: ``zoo-resnet``."""
        self.version = version
        self.group = group
        self.name = name
        self.value = value
        self.path = path
        """The ``.dist-info`` directory that says so."""

    @property
    def module(self) -> str:
        """What its value names before the colon."""
        return self.value.partition(":")[0].strip()

    @property
    def attribute(self) -> str:
        """What its value names after the colon; empty if it names a module only."""
        return self.value.partition(":")[2].partition("[")[0].strip()

    def __str__(self) -> str:
        return f"{self.distribution} {self.version} (entry point {self.name!r} = {self.value!r} in {self.group})"


class Scan(Record):
    """What a scan found: entry points, and oddities that somebody should repair."""

    __slots__ = ("damaged", "entry_points", "unused")

    def __init__(self) -> None:
        self.entry_points: list[EntryPoint] = []
        self.unused: list[tuple[str, str]] = []
        """Metadata directories that stay unread, and the one that is read in their place; empty if none is."""
        self.damaged: list[tuple[str, str]] = []
        """Metadata directories that mention Zoo, and what is wrong in their ``entry_points.txt``."""


def scan(path: Iterable[object] | None = None) -> Scan:
    """Read Zoo's entry points of every distribution on `path` (default: `sys.path`).

    As for imports, the first entry of the path that has a distribution wins. Never raises for what it finds.
    """
    found = Scan()
    chosen: dict[str, str] = {}
    entries: Iterable[object] = sys.path if path is None else path
    for entry in dict.fromkeys(entries):
        if not isinstance(entry, str):  # imports pass over it, too
            continue
        try:
            names = os.listdir(entry or ".")
        except NotADirectoryError:
            names = None
        except (OSError, ValueError):  # gone, unreadable, or no path at all
            continue
        if names is None or entry.endswith(".egg"):
            from zoo_core.discovery.fallback import on_path

            _add_others(found, chosen, on_path(entry))
            continue
        for key, location in _one_each(found, entry, names):
            if key in chosen and _is_installed(chosen[key]):
                found.unused.append((location, chosen[key]))
                continue
            chosen[key] = location
            _add(found, key, location, _read(location))
    for finder in _custom_finders() if path is None else ():
        from zoo_core.discovery.fallback import distributions

        _add_others(found, chosen, distributions(finder))
    found.entry_points.sort(key=lambda point: (point.group, point.distribution, point.name))
    return found


def parse(text: str, groups: tuple[str, ...] = GROUPS) -> Iterator[tuple[str, str, str]]:
    """Yield (group, name, value) of the wanted groups, the value empty where a line has none."""
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1].strip()
        elif line and group in groups and not line.startswith(("#", ";")):
            name, _, value = line.partition("=")
            yield group, name.strip(), value.strip()


def _add(found: Scan, key: str, location: str, data: bytes, version: str | None = None) -> None:
    if MARK not in data:
        return
    if not is_word(key):
        found.damaged.append((location, f"a distribution {key!r}, and none can have that name"))
        return
    # One byte in Latin-1, or a byte-order mark, must not cost the distribution its other lines.
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    if "\ufffd" in text:
        found.damaged.append((location, "a byte that is not UTF-8"))
    version = identity(location)[1] if version is None else version
    for group, name, value in parse(text):
        if name and value:
            found.entry_points.append(EntryPoint(key, version, group, name, value, location))
        else:
            found.damaged.append((location, f"a line {name or value!r} in [{group}] that is not 'name = value'"))


def _add_others(found: Scan, chosen: dict[str, str], rows: Iterable[tuple[str, str, str, bytes]]) -> None:
    for key, version, location, data in rows:
        if key not in chosen:
            chosen[key] = location
            _add(found, key, location, data, version)


def _one_each(found: Scan, entry: str, names: list[str]) -> Iterable[tuple[str, str]]:
    """(normalised name, metadata directory) of each distribution in one directory of the path."""
    locations: dict[str, str] = {}
    for name in names:
        if not name.endswith(_SUFFIXES):
            continue
        location = os.path.join(entry, name)
        # pip renames what it replaces to "~oo-1.0.dist-info", and leaves it there when it is killed.
        if name.startswith("~"):
            found.unused.append((location, ""))
            continue
        key = identity(location)[0]
        if key in locations:
            worse, better = sorted((locations[key], location), key=_rank)
            found.unused.append((worse, better))
            location = better
        locations[key] = location
    return locations.items()


def _rank(location: str) -> tuple[bool, list[tuple[int, str]]]:
    """Order of several versions in one directory: the one that was installed whole, then the newest."""
    return _is_installed(location), [
        (int(part), "") if part.isdigit() else (-1, part) for part in identity(location)[1].replace("-", ".").split(".")
    ]


def _is_installed(location: str) -> bool:
    """Whether it is more than the leftover of an uninstall; every installer writes METADATA."""
    return any(os.path.isfile(os.path.join(location, name)) for name in ("METADATA", "PKG-INFO")) or not os.path.isdir(
        location
    )


def _read(location: str) -> bytes:
    try:
        return read_file(os.path.join(location, "entry_points.txt"), _LIMIT_BYTES)
    except OSError:
        return b""


def identity(location: str) -> tuple[str, str]:
    """The normalised name and the version of a metadata directory.

    Both are in its own name, as installers write it: neither has a hyphen there. Where it has more or none (a source
    tree's ``zoo_x.egg-info``, a name that was not escaped), the metadata in it says them.
    """
    stem, _, kind = os.path.basename(location).rpartition(".")
    name, _, version = stem.lstrip("~").partition("-")
    if kind == "egg-info":
        version = version.partition("-py")[0]
    if not version[:1].isdigit() or "-" in version:
        lines = read_metadata(location)
        name, version = _field(lines, "Name:") or name, _field(lines, "Version:") or version
    return normalize_distribution(name), version


def read_metadata(location: str) -> list[str]:
    """The lines of the header of a distribution's metadata; none where it has none that can be read."""
    for name in ("METADATA", "PKG-INFO"):
        try:
            text = read_file(os.path.join(location, name), _LIMIT_BYTES).decode("utf-8", "replace")
        except OSError:
            continue
        return text.replace("\r\n", "\n").partition("\n\n")[0].splitlines()
    return []


def _field(lines: list[str], name: str) -> str:
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def _custom_finders() -> list[object]:
    """Finders on `sys.meta_path` that know distributions of their own."""
    known = ("_frozen_importlib_external", "importlib_metadata")
    return [
        finder
        for finder in sys.meta_path
        if hasattr(finder, "find_distributions") and getattr(finder, "__module__", "").partition(".")[0] not in known
    ]
