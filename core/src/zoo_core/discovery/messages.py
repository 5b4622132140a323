"""Errors for unknown names and broken plugins: the fault, its owner and the remedy."""

from __future__ import annotations

from zoo_core.discovery.index import Index, Plugin, read_plugin
from zoo_core.errors import AmbiguousModelError, PluginError, UnknownModelError, ZooError, did_you_mean
from zoo_core.names import ModelName

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo_core.discovery.lookup import FoundModel

_MANY = 12  # nobody reads more names than this in an error


def cannot_use(index: Index, name: ModelName, plugins: list[Plugin]) -> ZooError:
    """The error for a name with no plugin, with several, or with one that has a problem."""
    if not plugins:
        return _unknown_model(index, name)
    if len(plugins) > 1:
        return _ambiguous(name, plugins)
    (plugin,) = plugins
    return PluginError(f"cannot create {str(name)!r}: plugin {plugin.entry_point} is {plugin.state}: {plugin.problem}")


def unknown_tag(index: Index, name: ModelName, founds: list[FoundModel]) -> UnknownModelError:
    """The error for an architecture that lacks the tag."""
    tags = [tag for found in founds for tag in found.manifest.tags(found.architecture)]
    what = f"unknown model {str(name)!r}: {name.architecture} has"
    elsewhere = _newer(name, [found.plugin for found in founds]) or _in_a_bridge(index, name)
    if not tags:
        return UnknownModelError(" ".join([f"{what} no tags", *elsewhere]))
    listed = ", ".join(tags[:_MANY]) + (", ..." if len(tags) > _MANY else "")
    hint = "." if elsewhere else did_you_mean(str(name.tag), tags) or "."
    return UnknownModelError(" ".join([f"{what} no such tag{hint}", *elsewhere, f"Its tags: {listed}"]))


def _newer(name: ModelName, plugins: list[Plugin]) -> list[str]:
    """Sentences on bridges that offer the name in a newer version of their library."""
    bare = [name.architecture, str(ModelName(name.architecture, name.tag))]
    needs = {
        plugin: need
        for plugin in plugins
        if plugin.manifest.bridge and name.distribution in (None, plugin.distribution)
        for need in (plugin.manifest.bridge.needs(each) for each in bare)
        if need
    }
    return [
        f"It needs {need}, and {plugin.manifest.bridge.installed} is installed: pip install --upgrade '{need}'."  # type: ignore[union-attr] # see above
        for plugin, need in needs.items()
    ]


def _in_a_bridge(index: Index, name: ModelName) -> list[str]:
    """Sentences on bridges that have the tag, and yield the architecture to a family."""
    return [
        f"{plugin.distribution} has it: {str(ModelName(name.architecture, name.tag, plugin.distribution))!r}."
        for plugin in index.yielding.get(name.architecture, ())
        if name.tag in plugin.manifest.tags(name.architecture) and not plugin.problem and not name.distribution
    ]


def _unknown_model(index: Index, name: ModelName) -> UnknownModelError:
    if name.distribution is None:
        why, names = "no installed plugin offers it", list(index.owners)
    else:
        plugins = [plugin for plugin in index.plugins if plugin.distribution == name.distribution]
        names = [arch for plugin in plugins for arch in plugin.manifest.names]
        why = f"{name.distribution} {'does not offer it' if plugins else 'is not an installed plugin'}"
    hints = _newer(name, index.plugins) or _hints(index, name)
    if not any("pip install" in hint for hint in hints):  # a known plugin needs no guess
        hints += _nearest(name.architecture, names)
    hints = hints or ["`zoo list` shows what there is."]
    return UnknownModelError(" ".join([f"unknown model {str(name)!r}: {why}.", *hints]))


def _ambiguous(name: ModelName, plugins: list[Plugin]) -> AmbiguousModelError:
    distributions = sorted({plugin.distribution for plugin in plugins})
    if len(distributions) == 1:
        families = " and ".join(repr(plugin.entry_point.name) for plugin in plugins)
        return AmbiguousModelError(
            f"{str(name)!r} is offered twice by {distributions[0]}, by its entry points {families}: tell its authors"
        )
    bare = str(ModelName(name.architecture, name.tag))
    forms = " or ".join(repr(f"{distribution}/{bare}") for distribution in distributions)
    return AmbiguousModelError(f"{bare!r} is offered by {' and by '.join(distributions)}. Say which you mean: {forms}")


def _hints(index: Index, name: ModelName) -> list[str]:
    """Sentences on plugins that would offer the name once installed, enabled or repaired."""
    from zoo_core.discovery.catalogue import distribution_for, is_known

    hints = []
    installed = {plugin.distribution for plugin in index.plugins}
    for entry, variable in index.disabled:
        manifest = read_plugin(entry, index.scan.chosen).manifest
        if name.architecture in manifest.names and name.distribution in (None, entry.distribution):
            hints.append(f"{entry.distribution} offers it, but {variable} keeps that plugin out.")
            installed.add(entry.distribution)
    known = distribution_for(name.architecture.lower())
    if known and known not in installed and name.distribution in (None, known):
        hints.append(f"It is in {known}: pip install {known}")
    elif name.distribution is not None and name.distribution not in installed and is_known(name.distribution):
        hints.append(f"To install it: pip install {name.distribution}")
    elif name.distribution is not None and name.distribution not in installed:
        hints.append(f"For a Hugging Face Hub repository write 'hf-hub:{name}'.")
    return hints + [
        f"Plugin {plugin.entry_point} might offer it, but is broken: {plugin.problem}."
        for plugin in index.plugins
        if plugin.problem and not plugin.manifest.names and name.distribution in (None, plugin.distribution)
    ]


def _nearest(word: str, names: list[str]) -> list[str]:
    """A sentence on the names most like `word`, preferably those that differ in case and dashes."""
    same = [name for name in names if _plain(name) == _plain(word)][:3]
    hint = did_you_mean(same[0] if same else word.lower(), same or _alike(word.lower(), names))
    return [hint.removeprefix(". ")] if hint else []


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _alike(word: str, names: Iterable[str]) -> list[str]:
    """The names worth comparing with `word`: a comparison with 100,000 would take seconds."""
    letters = set(word)
    return [name for name in names if abs(len(name) - len(word)) < 4 and len(letters.symmetric_difference(name)) < 4]
