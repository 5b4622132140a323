"""The index of everything that is installed, by name. Built whole, then only read."""

from __future__ import annotations

from zoo_core.discovery.entry_points import HOOKS_GROUP, MODELS_GROUP, EntryPoint, Scan, scan
from zoo_core.discovery.manifest import API, Manifest, read_manifest
from zoo_core.discovery.selection import Selection
from zoo_core.errors import PluginError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_FAMILY, _BRIDGE, _UNMET_BRIDGE = range(3)


class Plugin:
    """One ``zoo_core.models`` entry point and its offer."""

    __slots__ = ("entry_point", "manifest")

    def __init__(self, entry_point: EntryPoint, manifest: Manifest) -> None:
        self.entry_point = entry_point
        self.manifest = manifest
        """Without names, and with a `problem`, if it cannot be read."""

    @property
    def distribution(self) -> str:
        """The normalised name of its distribution."""
        return self.entry_point.distribution

    @property
    def problem(self) -> str:
        """The reason why it cannot be used, as the end of a sentence; empty if it can."""
        return self.manifest.problem

    @property
    def state(self) -> str:
        """Whether it is ``"ready"``.

        If not, it is ``"broken"``, ``"incompatible"`` (made for another plugin API) or
        ``"incomplete"`` (a bridge without its library).
        """
        if not self.problem:
            return "ready"
        if self.manifest.bridge and self.problem == self.manifest.bridge.problem:
            return "incomplete"
        return "broken" if self.manifest.api == API else "incompatible"

    @property
    def rank(self) -> int:
        """Its place where several offer a name: the least wins.

        Bridges yield to families, and bridges without their library to all others.
        """
        if self.manifest.bridge is None:
            return _FAMILY
        return _UNMET_BRIDGE if self.state == "incomplete" else _BRIDGE

    def yields_to(self, other: Plugin) -> bool:
        """Return whether a name that both offer means the other's model.

        Of two bridges that is so if the one names the other in its manifest.
        """
        if self.rank != other.rank:
            return self.rank > other.rank
        return self.manifest.bridge is not None and other.distribution in self.manifest.bridge.yields

    def __repr__(self) -> str:
        return f"<{self.state} plugin {self.entry_point}>"


class Index:
    """Every plugin in every state, and the owners of each name."""

    __slots__ = ("aliases", "claims", "disabled", "hooks", "owners", "plugins", "scan", "selection", "yielding")

    def __init__(self) -> None:
        self.plugins: list[Plugin] = []
        self.disabled: list[tuple[EntryPoint, str]] = []
        """Excluded entry points, each with the variable that excludes it."""
        self.hooks: list[EntryPoint] = []
        self.owners: dict[str, Plugin] = {}
        """Architecture to the first plugin that offers it."""
        self.claims: dict[str, list[Plugin]] = {}
        """Architecture to all the plugins that conflict over it."""
        self.yielding: dict[str, list[Plugin]] = {}
        """Architecture to the bridges whose offer yields to that of its owners."""
        self.aliases: dict[str, list[Plugin]] = {}
        """Old name to the plugins that map it."""
        self.scan = Scan()
        self.selection = Selection()

    def add(self, plugin: Plugin) -> None:
        """Add a plugin and all its names."""
        self.plugins.append(plugin)
        manifest = plugin.manifest
        offered = dict.fromkeys(manifest.names, plugin)
        if len(offered) != len(manifest.names):
            manifest.names = list(offered)
            manifest.problem = f"its manifest in {manifest.package} offers a name twice"
        if shared := self.owners.keys() & offered.keys():
            for name in filter(shared.__contains__, manifest.names):
                self.claim(name, offered.pop(name, plugin))
        self.owners.update(offered)  # all at once: name by name is slower
        for old_name in manifest.old_names:
            self.aliases.setdefault(old_name, []).append(plugin)

    def claim(self, name: str, plugin: Plugin) -> None:
        """Add a plugin that offers an architecture, and settle whose it is and who yields."""
        offers = self.every(name)
        if plugin in offers:
            return
        offers.append(plugin)
        owners = [one for one in offers if not any(map(one.yields_to, offers))] or offers  # a circle of bridges
        self.owners[name] = owners[0]
        self.claims.pop(name, None)
        if len(owners) > 1:
            self.claims[name] = owners
        if yielding := [one for one in offers if one not in owners]:
            self.yielding[name] = yielding

    def offering(self, name: str) -> list[Plugin]:
        """The plugins that offer an architecture and do not yield."""
        return self.claims.get(name) or ([self.owners[name]] if name in self.owners else [])

    def every(self, name: str) -> list[Plugin]:
        """The plugins that offer an architecture, with the bridges that yield."""
        return [*self.offering(name), *self.yielding.get(name, ())]


def read_plugin(entry: EntryPoint, installed: Mapping[str, str]) -> Plugin:
    """Read one plugin's manifest. A fault becomes the plugin's `problem` instead of an error.

    `installed` has the metadata directory of each distribution, for bridges.
    """
    try:
        manifest = read_manifest(entry)
        manifest.settle(installed)
    except PluginError as error:
        return Plugin(entry, Manifest(entry.name, [], rows={}, problem=str(error)))
    if manifest.api != API:
        remedy = "upgrade the plugin" if manifest.api < API else "upgrade zoo-core"
        made_for = f"it was made for version {manifest.api} of the plugin API"
        manifest.problem = f"{made_for}, and this zoo-core has version {API}: {remedy}"
    return Plugin(entry, manifest)


def build_index() -> Index:
    """Scan, select and read. Runs no code of any plugin."""
    index = Index()
    index.scan = scan()
    for entry in index.scan.entry_points:
        if variable := index.selection.excludes(entry.distribution):
            index.disabled.append((entry, variable))
        elif entry.group == MODELS_GROUP:
            index.add(read_plugin(entry, index.scan.chosen))
        elif entry.group == HOOKS_GROUP:
            index.hooks.append(entry)
    return index
