"""One index of everything that is installed, by name. Built whole, then read only."""

from __future__ import annotations

from zoo_core.discovery.entry_points import HOOKS_GROUP, MODELS_GROUP, EntryPoint, Scan, scan
from zoo_core.discovery.manifest import API, Manifest, read_manifest
from zoo_core.discovery.selection import Selection
from zoo_core.errors import PluginError


class Plugin:
    """One ``zoo_core.models`` entry point and what it offers."""

    __slots__ = ("_problem", "entry_point", "manifest")

    def __init__(self, entry_point: EntryPoint, manifest: Manifest | None, problem: str = "") -> None:
        self.entry_point = entry_point
        self.manifest = manifest
        """None when it cannot be read."""
        self._problem = problem

    @property
    def distribution(self) -> str:
        """Who offers it."""
        return self.entry_point.distribution

    @property
    def problem(self) -> str:
        """Why it cannot be used, as the end of a sentence; empty if it can."""
        return self._problem or (self.manifest.problem if self.manifest else "")

    @property
    def state(self) -> str:
        """``"ready"``, ``"incompatible"`` (made for another version of the plugin API), or ``"broken"``."""
        if not self.problem:
            return "ready"
        return "incompatible" if self.manifest and self.manifest.api != API else "broken"

    def __repr__(self) -> str:
        return f"<{self.state} plugin {self.entry_point}>"


class Index:
    """Who offers which name. Every plugin is in `plugins`, whatever its state; only names of others are missing."""

    __slots__ = ("aliases", "claims", "disabled", "hooks", "owners", "plugins", "scan", "selection")

    def __init__(self) -> None:
        self.plugins: list[Plugin] = []
        self.disabled: list[tuple[EntryPoint, str]] = []
        """Entry points kept out, and the variable that does it."""
        self.hooks: list[EntryPoint] = []
        self.owners: dict[str, Plugin] = {}
        """Architecture to the first plugin that offers it."""
        self.claims: dict[str, list[Plugin]] = {}
        """Architecture to all its plugins, where there is more than one."""
        self.aliases: dict[str, list[Plugin]] = {}
        """Old name to the plugins that map it."""
        self.scan = Scan()
        self.selection = Selection()

    def add(self, plugin: Plugin) -> None:
        """Write down everything that a plugin offers."""
        self.plugins.append(plugin)
        if (manifest := plugin.manifest) is None:
            return
        offered = dict.fromkeys(manifest.names, plugin)
        if len(offered) != len(manifest.names):
            manifest.names = list(offered)
            manifest.problem = f"its manifest in {manifest.package} offers a name twice"
        if self.owners.keys().isdisjoint(manifest.names):
            self.owners.update(offered)
        else:
            for name in manifest.names:
                self.claim(name, plugin)
        for old_name in manifest.old_names:
            self.aliases.setdefault(old_name, []).append(plugin)

    def claim(self, name: str, plugin: Plugin) -> None:
        """Write down that a plugin offers an architecture."""
        owner = self.owners.setdefault(name, plugin)
        if plugin not in self.claims.get(name, (owner,)):
            self.claims.setdefault(name, [owner]).append(plugin)

    def offering(self, name: str) -> list[Plugin]:
        """The plugins that offer an architecture."""
        return self.claims.get(name) or ([self.owners[name]] if name in self.owners else [])


def read_plugin(entry: EntryPoint) -> Plugin:
    """Read one plugin's manifest. Whatever is wrong with it is written down in the plugin, and stays there."""
    try:
        manifest = read_manifest(entry)
    except PluginError as error:
        return Plugin(entry, None, str(error))
    except Exception as error:  # a custom finder or loader is foreign code
        return Plugin(entry, None, f"its manifest cannot be read: {type(error).__name__}: {error}")
    if manifest.api != API:
        older = "upgrade the plugin" if manifest.api < API else "upgrade zoo-core"
        problem = (
            f"it was made for version {manifest.api} of the plugin API, and this zoo-core has version {API}: {older}"
        )
        return Plugin(entry, manifest, problem)
    return Plugin(entry, manifest)


def build_index() -> Index:
    """Scan, select, read. Runs nothing of any plugin."""
    index = Index()
    index.scan = scan()
    for entry in index.scan.entry_points:
        if variable := index.selection.excludes(entry.distribution):
            index.disabled.append((entry, variable))
        elif entry.group == MODELS_GROUP:
            index.add(read_plugin(entry))
        elif entry.group == HOOKS_GROUP:
            index.hooks.append(entry)
    return index
