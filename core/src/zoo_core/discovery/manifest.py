"""A plugin's ``models.json``: the architectures that it offers, read without importing the plugin.

The first line that `zoo manifest` writes is a header with all names in one fixed form, so that a
listing of a thousand plugins parses no JSON. The rest is parsed at the first question about one of
the architectures. `_check_header` and `check_row` validate everything here, once: other code can
rely on the types, and on names that are safe to list.
"""

from __future__ import annotations

from zoo_core.discovery.resources import is_inside, read_data
from zoo_core.errors import PluginError
from zoo_core.names import is_architecture, is_word, natural_sort

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from zoo_core.discovery.bridge import Bridge, Differences
    from zoo_core.discovery.entry_points import EntryPoint

    Rows = dict[str, dict[str, Any]]

API = 1
"""The version of the plugin API of this core, and of the manifests that `zoo manifest` writes."""
HEADER = '{{"api": {api}, "family": "{family}", "configs": "{configs}", "names": "{names}", "old_names": "{old_names}",'
"""The first line of a manifest: names (in natural order) and old names, separated by spaces."""


class Manifest:
    """The architectures of one family. Data only: constructors are names, ``module:attribute``."""

    __slots__ = (
        *("_aliases", "_data", "_differences", "_rows", "_tables", "api", "bridge", "configs_file", "facts_file"),
        *("family", "names", "old_names", "package", "problem", "results_file"),
    )

    def __init__(
        self,
        family: str,
        names: list[str],
        old_names: list[str] | None = None,
        *,
        rows: Rows | None = None,
        aliases: dict[str, str] | None = None,
        api: int = API,
        configs_file: str | None = None,
        package: str = "",
        data: bytes = b"",
        problem: str = "",
    ) -> None:
        self.family = family
        self.names = names
        """Its architectures, in natural order."""
        self.old_names = old_names or []
        """Deprecated names of architectures or ``architecture.tag``."""
        self.api = api
        self.configs_file = configs_file
        self.facts_file: str | None = None
        self.results_file: str | None = None
        self.package = package
        self.problem = problem
        """The reason why it cannot be used; empty if it can, as far as it has been parsed."""
        self._rows = rows
        self._aliases = aliases or {}
        self._data = data
        self._tables: dict[str, dict[str, Any]] = {}
        self._differences: Differences | None = None
        self.bridge: Bridge | None = None
        """The library that it bridges; None for a family of its own."""

    @property
    def architectures(self) -> Rows:
        """Name to ``{"constructor", "default", "tags", "untrained"}``; only the first is required.

        Empty rows, and `problem` set, if the part after the header is broken.
        """
        # Threads may parse at once, with the same result: take the data first, drop it last.
        data = self._data
        if self._rows is None:
            try:
                full = _from_json(data, self.family, self.package)
                rows = self._installed("architectures", full.architectures)
                aliases = self._installed("aliases", full.aliases)
                if set(rows) != set(self.names) or set(aliases) != set(self.old_names):
                    raise PluginError("the first line of its manifest contradicts the rest: `zoo manifest` was not run")
                for name, row in rows.items() if rows is not full.architectures else ():
                    check_row(name, {"constructor": self._default_constructor(name), **row}, self.package)
                self._aliases = aliases
                self.facts_file, self.results_file = full.facts_file, full.results_file
            except PluginError as error:
                rows, self.problem = {name: {} for name in self.names}, self.problem or str(error)
            self._rows, self._data = rows, b""
        return self._rows

    @property
    def aliases(self) -> dict[str, str]:
        """Old name to the model name that replaces it."""
        _ = self.architectures  # parses both
        return self._aliases

    @property
    def configs(self) -> Rows:
        """``architecture[.tag]`` to the fields of its default config. Reads their file once.

        Raises:
            PluginError: if the file cannot be read.
        """
        return self._table("configs", self.configs_file)

    @property
    def facts(self) -> dict[str, Any]:
        """Architecture to a row for `zoo_core.discovery.facts.read_facts`. Reads their file once.

        Raises:
            PluginError: if the file cannot be read.
        """
        _ = self.architectures  # parses the file's name
        return self._table("facts", self.facts_file)

    @property
    def results(self) -> dict[str, Any]:
        """``architecture.tag`` to a row for `zoo_core.discovery.facts.read_results`; see `facts`.

        Raises:
            PluginError: if the file cannot be read.
        """
        _ = self.architectures
        return self._table("results", self.results_file)

    @property
    def configured(self) -> Collection[str]:
        """The names in `configs`; none if it cannot be read, which `zoo doctor` reports."""
        try:
            return self.configs
        except PluginError:
            return ()

    def settle(self, installed: Mapping[str, str]) -> None:
        """Take a bridge's names in the installed version of its library, and note if that is wrong.

        Args:
            installed: distribution to its metadata directory.

        Raises:
            PluginError: if the file of the older versions cannot be used.
        """
        if self.bridge is None:
            return
        self.bridge.look_for(installed)
        self.problem = self.bridge.problem
        if self.bridge.table != self.bridge.versions[0]:
            self.names = natural_sort(self._installed("architectures", {name: {} for name in self.names}))
            self.old_names = list(self._installed("aliases", dict.fromkeys(self.old_names)))

    def _installed(self, table: str, rows: dict[str, Any]) -> dict[str, Any]:
        """Return the rows of a table that are right for a bridge's installed library."""
        if self.bridge is None or self.bridge.table == self.bridge.versions[0]:
            return rows
        return self.bridge.changed(self._older(), table, rows)

    def _older(self) -> Differences:
        assert self.bridge is not None
        if self._differences is None:
            from zoo_core.discovery.bridge import checked_differences

            what = f"{self.bridge.older} in {self.package}"
            values = parsed(read_data(self.package, self.bridge.older), what)
            self._differences = checked_differences(values, self.bridge, what)
        return self._differences

    def _default_constructor(self, architecture: str) -> str:
        return f"{self.package}:{architecture}" if self.bridge else ""

    def constructor(self, architecture: str) -> str:
        """``module:attribute`` of an architecture's constructor."""
        return self.architectures[architecture].get("constructor") or self._default_constructor(architecture)

    def family_of(self, architecture: str) -> str:
        """The manifest's family, or the one of an architecture's own row.

        Bridges and the models that this process registered have such rows.
        """
        rows = self.architectures if self.bridge else self._rows or {}
        return rows.get(architecture, {}).get("family", self.family)

    def tags(self, architecture: str) -> list[str]:
        """The tags of an architecture, its default first."""
        return self.architectures[architecture].get("tags", [])

    def default(self, architecture: str) -> str | None:
        """The default tag of an architecture; None if it has no tags."""
        return self.architectures[architecture].get("default") or next(iter(self.tags(architecture)), None)

    def trained_tags(self, architecture: str) -> list[str]:
        """The tags with weights."""
        untrained = self.architectures[architecture].get("untrained", ())
        return [tag for tag in self.tags(architecture) if tag not in untrained]

    def _table(self, kind: str, file: str | None) -> dict[str, Any]:
        """Read a file beside the manifest, an object, once; empty without a file."""
        if kind not in self._tables:
            table = parsed(read_data(self.package, file), f"{file} in {self.package}") if file else {}
            if not (_is_table(table) if kind == "configs" else isinstance(table, dict)):
                what = "an object of objects" if kind == "configs" else "an object"
                raise PluginError(f"{file} in {self.package} is not {what}")
            self._tables[kind] = self._installed("configs", table) if kind == "configs" else table
        return self._tables[kind]


def read_manifest(entry: EntryPoint) -> Manifest:
    """Read an entry point's manifest, ``package:models.json``, or its short form, one constructor.

    Raises:
        PluginError: if there is no such file, or it is no manifest. Names the file, not the plugin.
    """
    module, attribute = entry.module, entry.attribute
    if not attribute:
        raise PluginError(f"its value {entry.value!r} is neither 'package:models.json' nor 'module:constructor'")
    if attribute.endswith(".json"):
        data = read_data(module, attribute)
        return _from_header(data, module) or _from_json(data, entry.name, module)
    row = {"constructor": f"{module}:{attribute}"}
    _check_header(entry.name, None, [entry.name], [], module)
    check_row(entry.name, row, module)
    return Manifest(entry.name, [entry.name], rows={entry.name: row}, package=module)


def _from_header(data: bytes, package: str) -> Manifest | None:
    """Read the first line, if it has the form of `HEADER`, without a slow import of `json`."""
    line = data[: data.find(b"\n")]
    if b"\\" in line or not line.isascii():
        return None
    parts = line.decode().split('"')
    if len(parts) != 19:
        return None
    api, family, configs, names, old_names = parts[2].strip(":, "), *parts[5:18:4]
    known = HEADER.format(api=api, family=family, configs=configs, names=names, old_names=old_names)
    if known.encode() != line or not api.isdigit() or len(api) > 9:
        return None
    listed, old = names.split(), old_names.split()
    _check_header(family, configs, listed, old, package)
    manifest = Manifest(family, listed, old, api=int(api), configs_file=configs, package=package, data=data)
    if (second := data[len(line) + 1 :].partition(b"\n")[0]).startswith(b'"bridge"'):
        from zoo_core.discovery.bridge import from_line

        if (bridge := from_line(second)) is None:
            return None
        manifest.bridge = bridge
    return manifest


def _from_json(data: bytes, name: str, package: str) -> Manifest:
    values = parsed(data, f"its manifest in {package}")
    if not isinstance(values, dict):
        raise PluginError(f"its manifest in {package} holds a {type(values).__name__}, not an object")
    api, rows, aliases = values.get("api"), values.get("architectures"), values.get("aliases", {})
    family, configs = values.get("family", name), values.get("configs")
    if type(api) is not int:
        raise PluginError(f"its manifest in {package} has no API version: 'api' is {api!r}")
    if rows is None or not _is_table(rows):
        raise PluginError(f"'architectures' of its manifest in {package} is not an object of objects")
    if not isinstance(aliases, dict) or not all(map(is_word, aliases.values())):
        raise PluginError(f"'aliases' of its manifest in {package} is not an object of names")
    _check_header(family, configs, list(rows), list(aliases), package)
    bridge = None
    if "bridge" in values:
        from zoo_core.discovery.bridge import from_values

        bridge = from_values(values)
    for architecture, row in rows.items():
        check_row(architecture, {"constructor": f"{package}:{architecture}", **row} if bridge else row, package)
    manifest = Manifest(family, natural_sort(rows), list(aliases), rows=rows, aliases=aliases, api=api)
    manifest.configs_file, manifest.package, manifest.bridge = configs, package, bridge
    manifest.facts_file, manifest.results_file = (_data_file(values, field, package) for field in ("facts", "results"))
    return manifest


def _check_header(family: object, configs: object, names: list[str], old_names: list[str], package: str) -> None:
    # All at once: 100,000 separate checks would take longer than reading the names.
    if names and not (all(names) and is_architecture("".join(names))):
        bad = next(name for name in names if not is_architecture(name))
        raise PluginError(f"its manifest offers {_shortened(bad)}, and no architecture can have that name")
    what = f"of its manifest in {package} is"
    if not all(map(is_word, old_names)):
        raise PluginError(f"'aliases' {what} not an object of names")
    if not is_word(family):
        raise PluginError(f"'family' {what} {_shortened(family)}, and none can be named so")
    _data_file({"configs": configs}, "configs", package)


def _data_file(values: dict[str, Any], field: str, package: str) -> str | None:
    """The name of a file beside the manifest, checked; None if it names none."""
    name = values.get(field)
    if name is not None and not (isinstance(name, str) and is_inside(name)):
        raise PluginError(f"{field!r} of its manifest in {package} is {_shortened(name)}, and no file in the package")
    return name


def check_row(architecture: str, row: dict[str, Any], package: str) -> None:
    """Check the row of an architecture; all fields but its constructor are optional.

    Raises:
        PluginError: naming the field.
    """
    constructor, tags, untrained = row.get("constructor"), row.get("tags", []), row.get("untrained", [])
    listed = tags if isinstance(tags, list) and all(map(is_word, tags)) else []
    right = {
        "constructor": isinstance(constructor, str) and _is_reference(constructor),
        "tags": listed == tags and len(set(listed)) == len(listed),
        "default": row.get("default") is None or row["default"] in listed,
        "untrained": isinstance(untrained, list) and all(tag in listed for tag in untrained),
        "family": is_word(row.get("family", "any")),
    }
    if wrong := [field for field, is_right in right.items() if not is_right]:
        value = _shortened(row.get(wrong[0]))
        raise PluginError(f"{wrong[0]!r} of {architecture!r} in its manifest in {package} cannot be {value}")


def _is_reference(text: str) -> bool:
    """Return whether it is ``module:attribute``."""
    module, _, attribute = text.partition(":")
    # A module's __getattr__ may serve attributes that are no identifiers, such as "net-18".
    return all(part.isidentifier() for part in module.split(".")) and all(
        part.isidentifier() or is_architecture(part) for part in attribute.split(".")
    )


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and all(type(row) is dict for row in value.values())


def parsed(data: bytes, what: str) -> Any:
    """Parse JSON from outside; `what` begins the error.

    Raises:
        PluginError: if it is none.
    """
    import json

    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise PluginError(f"{what} is not valid JSON: {error}") from error


def _shortened(value: object) -> str:
    from zoo_core.config_fields import shortened

    return shortened(value)
