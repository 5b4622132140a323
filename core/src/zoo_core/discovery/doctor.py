"""What is installed, and everything that is wrong with it. Reads, and runs nothing of any plugin."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

from zoo_core import __version__
from zoo_core.config import PretrainedCfg
from zoo_core.discovery.entry_points import MARK, EntryPoint, identity, read_metadata
from zoo_core.discovery.manifest import API
from zoo_core.discovery.resources import find_spec, read_file
from zoo_core.discovery.selection import ALLOW, DENY
from zoo_core.errors import ModelNameError, ZooError, did_you_mean
from zoo_core.names import is_word, parse_model_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo_core.discovery.index import Index, Plugin


@dataclasses.dataclass(frozen=True)
class Problem:
    """Something to repair."""

    distribution: str
    """Whose it is; empty if nobody's in particular."""
    what: str
    remedy: str


def examine(index: Index) -> list[Problem]:
    """Everything that is wrong with the installed plugins, and with the settings that select them."""
    problems = [*_selection(index), *_metadata(index), *_conflicts(index)]
    for plugin in index.plugins:
        problems += _told(plugin.entry_point, _plugin(plugin))
    for entry in index.hooks:
        problems += _told(entry, _module(entry, entry.module))
    for entry in {entry.path: entry for entry in _entries(index)}.values():
        problems += _told(entry, _requirements(entry))
    return problems


def _told(entry: EntryPoint, problems: Iterator[Problem]) -> Iterator[Problem]:
    """The problems of one plugin; what keeps it from being examined is one, too, and not the end of the others."""
    try:
        yield from problems
    except Exception as error:  # a custom finder's, a metadata parser's: whatever it is, it is of this plugin
        what = f"plugin {entry} cannot be examined: {type(error).__name__}: {error}"
        yield Problem(entry.distribution, what, _reinstall(entry))


def describe(index: Index) -> list[dict[str, Any]]:
    """One row per entry point: who, where, which versions, its state. What ``zoo plugins --json`` prints."""
    rows = []
    for plugin in (plugin for plugin in index.plugins if plugin.entry_point.value):
        manifest = plugin.manifest
        count = len(manifest.architectures) if manifest else 0  # asks for the rows first, which may turn out broken
        offered = {
            "family": manifest.family if manifest else None,
            "api": manifest.api if manifest else None,
            "architectures": count,
        }
        rows.append(_row(plugin.entry_point, plugin.state, plugin.problem) | offered)
    rows += [_row(entry, "ready", "") for entry in index.hooks]
    rows += [_row(entry, "disabled", f"{variable} keeps it out") for entry, variable in index.disabled]
    return rows


def versions() -> dict[str, str]:
    """Versions of what a plugin meets: Python, zoo-core, the plugin API, and PyTorch, which is not imported."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"Python": platform.python_version(), "zoo-core": __version__, "plugin API": str(API)}
    try:
        found["torch"] = version("torch")
    except (PackageNotFoundError, KeyError):  # KeyError: metadata without a version
        found["torch"] = "not installed"
    return found


def _row(entry: EntryPoint, state: str, problem: str) -> dict[str, Any]:
    return {
        "distribution": entry.distribution,
        "version": entry.version,
        "group": entry.group,
        "entry_point": entry.name,
        "value": entry.value,
        "path": entry.path,
        "state": state,
        "problem": problem or None,
    }


def _entries(index: Index) -> Iterator[EntryPoint]:
    yield from (plugin.entry_point for plugin in index.plugins if plugin.entry_point.value)
    yield from index.hooks


def _selection(index: Index) -> Iterator[Problem]:
    """Settings that name what is not there."""
    installed = {entry.distribution for entry in index.scan.entry_points}
    for variable, names in ((ALLOW, index.selection.allowed), (DENY, index.selection.denied)):
        for name in sorted(names - installed - {"*"}):
            hint = did_you_mean(name, installed)
            yield Problem(
                "", f"{variable} names {name!r}, which is not an installed plugin{hint}", f"correct {variable}"
            )


def _metadata(index: Index) -> Iterator[Problem]:
    """Metadata that is damaged, leftover, or there twice."""
    for location, what in index.scan.damaged:
        yield Problem(
            _name(location),
            f"{location}/entry_points.txt has {what}",
            f"pip install --force-reinstall {_name(location)}",
        )
    for location, used in index.scan.unused:
        if not _concerns_us(location) or (used and os.path.realpath(location) == os.path.realpath(used)):
            continue
        name = _name(location)
        if not used:
            yield Problem(name, f"{location} was left behind by an interrupted pip", f"delete {location}")
        elif os.path.dirname(location) == os.path.dirname(used):
            yield Problem(
                name,
                f"{name} is there twice, and only {used} is used, not {location}",
                f"pip install --force-reinstall {name}",
            )
        else:
            what = f"{location} is hidden by {used}, which is earlier on sys.path"
            yield Problem(name, what, f"uninstall {name} from one of the two")


def _conflicts(index: Index) -> Iterator[Problem]:
    """Names that several claim, one problem for each set of claimants."""
    claims: dict[tuple[str, ...], list[str]] = {}
    for name, plugins in index.claims.items():
        claims.setdefault(tuple(plugin.distribution for plugin in plugins), []).append(name)
    for distributions, names in claims.items():
        listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        forms = " or ".join(f"{distribution}/{names[0]}" for distribution in dict.fromkeys(distributions))
        yield Problem(
            "",
            f"{' and '.join(distributions)} both offer {listed}",
            f"use the qualified names, such as {forms}, or keep one out with {DENY}={distributions[-1]}",
        )


def _plugin(plugin: Plugin) -> Iterator[Problem]:
    """What is wrong with one plugin: its manifest, its default configs, the modules of its constructors."""
    entry, manifest = plugin.entry_point, plugin.manifest
    rows = manifest.architectures if manifest else {}
    if plugin.problem or manifest is None:
        upgrade = plugin.state == "incompatible"
        remedy = f"pip install --upgrade {entry.distribution} zoo-core" if upgrade else _reinstall(entry)
        yield Problem(entry.distribution, f"plugin {entry} is {plugin.state}: {plugin.problem}", remedy)
        return
    if not entry.value:
        return
    modules = {manifest.constructor(name).partition(":")[0] for name in rows}
    for module in sorted(modules):
        yield from _module(entry, module)
    for old_name, target in manifest.aliases.items():
        if not _offers(plugin, target):
            yield Problem(
                entry.distribution,
                f"plugin {entry} maps {old_name!r} to {target!r}, which it does not offer",
                _report(entry),
            )
    try:
        configs = manifest.configs
    except ZooError as error:
        yield Problem(entry.distribution, f"plugin {entry} has unreadable default configs: {error}", _reinstall(entry))
        return
    for name, values in configs.items():
        try:
            PretrainedCfg.from_dict(values)
        except ZooError as error:
            yield Problem(
                entry.distribution, f"plugin {entry} has a broken default config {name!r}: {error}", _report(entry)
            )
        if not _offers(plugin, name):
            yield Problem(
                entry.distribution, f"plugin {entry} has a default config {name!r} of no model", _report(entry)
            )
    for name in rows:
        for tag in manifest.tags(name):
            if f"{name}.{tag}" not in configs:
                yield Problem(
                    entry.distribution, f"plugin {entry} has no default config for '{name}.{tag}'", _report(entry)
                )


def _offers(plugin: Plugin, model_name: str) -> bool:
    try:
        name = parse_model_name(model_name)
    except ModelNameError:
        return False
    manifest = plugin.manifest
    if manifest is None or name.architecture not in manifest.architectures:
        return False
    return name.tag is None or name.tag in manifest.tags(name.architecture)


def _module(entry: EntryPoint, module: str) -> Iterator[Problem]:
    """A module that is not there. Looks for its file, as finding a submodule otherwise imports its parents."""
    top, *inner = module.split(".")
    spec = find_spec(top) if top else None
    if spec is None:
        yield Problem(entry.distribution, f"plugin {entry} lacks its package {top!r}", _reinstall(entry))
    elif inner and spec.submodule_search_locations:
        places = [os.path.join(location, *inner) for location in spec.submodule_search_locations]
        folders = {os.path.dirname(place) for place in places if os.path.isdir(os.path.dirname(place))}
        names = {name.partition(".")[0] for folder in folders for name in os.listdir(folder)}
        if os.path.isdir(next(iter(spec.submodule_search_locations))) and inner[-1] not in names:
            yield Problem(entry.distribution, f"plugin {entry} lacks its module {module!r}", _reinstall(entry))


def _requirements(entry: EntryPoint) -> Iterator[Problem]:
    """Requirements that are not installed at all. Versions, extras and conditions are left to pip."""
    from importlib.metadata import PackageNotFoundError, version

    for requirement in _declared(entry.path):
        name = requirement
        for stop in " <>=!~[(@":
            name = name.partition(stop)[0]
        if not is_word(name):
            what = f"plugin {entry} needs {requirement!r}, which is no requirement"
            yield Problem(entry.distribution, what, _report(entry))
            continue
        try:
            version(name)
        except PackageNotFoundError:
            what = f"plugin {entry} needs {requirement}, which is not installed"
            yield Problem(entry.distribution, what, f"pip install '{requirement}'")


def _declared(location: str) -> list[str]:
    """The unconditional requirements in a metadata directory."""
    lines = [line for line in read_metadata(location) if line.startswith("Requires-Dist:")]
    return [line.partition(":")[2].strip() for line in lines if ";" not in line]


def _concerns_us(location: str) -> bool:
    try:
        return MARK in read_file(os.path.join(location, "entry_points.txt"))
    except OSError:
        return False


def _name(location: str) -> str:
    return identity(location)[0]


def _reinstall(entry: EntryPoint) -> str:
    return f"pip install --force-reinstall {entry.distribution}"


def _report(entry: EntryPoint) -> str:
    return f"tell the authors of {entry.distribution} to run `zoo manifest`, or upgrade it"
