"""What a manifest says of a bridge: a plugin whose networks lie in another library.

A bridge names the library's distribution and the versions that it needs, and has a table for each
of several versions: that of the newest, and what is different in each older one. Which table
counts follows from the library's metadata; the library is never imported here. It may name other
bridges to which it yields, where they offer the same architecture.
"""

from __future__ import annotations

import os

from zoo_core.discovery.entry_points import identity
from zoo_core.discovery.resources import is_inside
from zoo_core.errors import PluginError
from zoo_core.names import is_architecture, is_word, normalize_distribution

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Rows = dict[str, dict[str, Any]]
    Differences = dict[str, dict[str, dict[str, Any]]]

LINE = (
    '"bridge": "{requires}", "module": "{module}", "versions": "{versions}", "older": "{older}", "yields": "{yields}",'
)
"""The second line of a bridge's manifest: versions, the newest first, separated by spaces."""
FIELDS = ("bridge", "module", "versions", "older", "yields")
TABLES = ("architectures", "aliases", "configs")
"""What a version has of its own in the file of the older ones: rows by name, or null for none."""
_MOST_VERSIONS = 100


class Bridge:
    """The library that a manifest bridges, and the version of it that is installed."""

    __slots__ = ("distribution", "installed", "least", "module", "older", "requires", "since", "versions", "yields")

    def __init__(self, requires: str, module: str, versions: list[str], older: str, yields: list[str]) -> None:
        """Take the fields of a manifest.

        Raises:
            PluginError: naming the first one that cannot be.
        """
        name, _, least = requires.partition(">=")
        right = {
            "bridge": is_architecture(name) and is_version(least),
            "module": module.isascii() and all(part.isidentifier() for part in module.split(".")),
            "versions": 0 < len(versions) <= _MOST_VERSIONS and all(map(is_version, versions)) and _descend(versions),
            "older": (len(versions) == 1 and not older) or is_inside(older),
            "yields": all(is_architecture(each) and normalize_distribution(each) == each for each in yields),
        }
        if wrong := [field for field, is_right in right.items() if not is_right]:
            values = (requires, module, " ".join(versions), older, " ".join(yields))
            value = dict(zip(FIELDS, values, strict=True))[wrong[0]]
            raise PluginError(f"{wrong[0]!r} of its manifest is {value[:60]!r}; a bridge has 'name>=1.0', 'module', "
                              "versions from the newest on, a file of older ones, and distributions")  # fmt: skip
        self.requires = requires
        self.distribution = normalize_distribution(name)
        self.least = least
        self.module = module
        """The library's import name."""
        self.versions = versions
        """Those with a table, the newest first."""
        self.older = older
        """The file in the package with the differences of all but the newest."""
        self.yields = yields
        """The distributions of other bridges, whose offer of an architecture goes before."""
        self.installed = ""
        """The library's version; empty if it is not installed."""
        self.since: dict[str, str] = {}
        """What newer versions have and the installed one has not, with the first that has it:
        ``architecture`` or ``architecture.tag``."""

    @property
    def table(self) -> str:
        """The version whose table counts: the newest that is no newer than the installed one."""
        if not self.installed:
            return self.versions[0]
        release = release_of(self.installed)
        return next((version for version in self.versions if release_of(version) <= release), self.versions[-1])

    @property
    def problem(self) -> str:
        """The reason why its models cannot be created, with the remedy; empty if they can."""
        remedy = f"pip install '{self.requires}'"
        if not self.installed:
            return f"it needs {self.requires}, which is not installed: {remedy}"
        if release_of(self.installed) < release_of(self.least):
            return f"it needs {self.requires}, and version {self.installed} is installed: {remedy}"
        return ""

    def needs(self, name: str) -> str:
        """Return the requirement of a name that only newer versions have; empty for any other."""
        return f"{self.distribution}>={self.since[name]}" if name in self.since else ""

    def look_for(self, installed: Mapping[str, str]) -> None:
        """Note the library's version, from the metadata directory of each distribution."""
        location = installed.get(self.distribution, "")
        has_metadata = any(os.path.isfile(os.path.join(location, name)) for name in ("METADATA", "PKG-INFO"))
        self.installed = identity(location)[1] if location and has_metadata else ""

    def changed(self, differences: Differences, table: str, rows: Mapping[str, Any]) -> dict[str, Any]:
        """Return the rows of `table` as the version that counts has them; the others stay whole."""
        found = dict(rows)
        for newer, version in zip(self.versions, self.versions[1:], strict=False):
            if release_of(version) < release_of(self.table):
                break
            for name, row in differences[version][table].items():
                before = found.pop(name, None)
                if row is not None:
                    found[name] = row
                if table == "architectures" and before is not None:
                    self._note(name, before, row, newer)
        return found

    def _note(self, name: str, before: dict[str, Any], row: dict[str, Any] | None, newer: str) -> None:
        """Note what a newer version's row has and an older one's has not."""
        if row is None:
            self.since[name] = newer
            return
        for tag in before.get("tags", ()):
            if tag not in row.get("tags", ()):
                self.since[f"{name}.{tag}"] = newer


def from_line(line: bytes) -> Bridge | None:
    """Read the second line of a bridge's manifest, without a slow import of `json`; else None.

    Raises:
        PluginError: for fields that cannot be.
    """
    if b"\\" in line or not line.isascii():
        return None
    parts = line.decode().split('"')
    if len(parts) != 21:
        return None
    requires, module, versions, older, yields = parts[3:20:4]
    known = LINE.format(requires=requires, module=module, versions=versions, older=older, yields=yields)
    return Bridge(requires, module, versions.split(), older, yields.split()) if known.encode() == line else None


def from_values(values: Mapping[str, Any]) -> Bridge:
    """Read the fields of a bridge's parsed manifest.

    Raises:
        PluginError: for fields that cannot be.
    """
    fields = [values.get(field, "") for field in FIELDS]
    if not all(isinstance(field, str) for field in fields):
        raise PluginError(f"'bridge' of its manifest needs texts: {', '.join(FIELDS)}")
    requires, module, versions, older, yields = fields
    return Bridge(requires, module, versions.split(), older, yields.split())


def checked_differences(values: Any, bridge: Bridge, what: str) -> Differences:
    """Return the file of the older versions, with the types that other code relies on.

    Raises:
        PluginError: naming the version whose table cannot be.
    """
    if not isinstance(values, dict) or list(values) != bridge.versions[1:]:
        raise PluginError(f"{what} has not the versions {' '.join(bridge.versions[1:]) or '(none)'}, in this order")
    for version, tables in values.items():
        known = isinstance(tables, dict) and tables.keys() <= set(TABLES)
        if not (known and all(_is_difference(name, rows) for name, rows in tables.items())):
            raise PluginError(f"version {version!r} in {what} is no object of {', '.join(TABLES)}")
    return {version: {table: tables.get(table, {}) for table in TABLES} for version, tables in values.items()}


def is_version(text: str) -> bool:
    """Return whether it is a release: numbers with dots."""
    return len(text) < 40 and all(part.isdigit() and part.isascii() for part in text.split("."))


def release_of(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with, without zeros at the end: of ``2.0.0+cpu``, (2,)."""
    numbers: list[int] = []
    for part in version.partition("+")[0].split(".")[:8]:
        digits = part[: len(part) - len(part.lstrip("0123456789"))][:12]
        if not digits:
            break
        numbers.append(int(digits))
        if digits != part:
            break
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def _descend(versions: list[str]) -> bool:
    releases = [release_of(version) for version in versions]
    return releases == sorted(set(releases), reverse=True)


def _is_difference(table: str, rows: Any) -> bool:
    if not isinstance(rows, dict):
        return False
    if table == "aliases":
        return all(is_word(name) and (target is None or is_word(target)) for name, target in rows.items())
    named = all(map(is_architecture if table == "architectures" else is_word, rows))
    return named and all(row is None or type(row) is dict for row in rows.values())
