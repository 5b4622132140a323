"""The state of every plugin, and everything that is wrong with them. Runs no code of any plugin."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo_core._version import __version__
from zoo_core.config import PretrainedCfg
from zoo_core.discovery.entry_points import MARK, EntryPoint, identity, read_entry_points, read_metadata
from zoo_core.discovery.facts import read_facts, read_results
from zoo_core.discovery.holes import CLOSED_IN, holes
from zoo_core.discovery.manifest import API
from zoo_core.discovery.resources import find_spec
from zoo_core.discovery.selection import ALLOW, DENY
from zoo_core.errors import ZooError, did_you_mean, said

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zoo_core.discovery.bridge import Bridge
    from zoo_core.discovery.index import Index, Plugin
    from zoo_core.discovery.manifest import Manifest


class Problem(NamedTuple):
    """A fault and its remedy."""

    distribution: str
    """Its owner; empty if there is none."""
    what: str
    remedy: str


def examine(index: Index) -> list[Problem]:
    """Find everything that is wrong with the installed plugins and their settings."""
    problems = [*_selection(index), *_metadata(index), *_conflicts(index)]
    problems += [Problem(*hole) for hole in holes(index.scan.chosen)]
    for plugin in index.plugins:
        problems += _of(plugin.entry_point, _plugin(plugin))
    for entry in index.hooks:
        problems += _of(entry, _module(entry, entry.module))
    for entry in {entry.path: entry for entry in _entry_points(index)}.values():
        problems += _of(entry, _requirements(entry))
    return problems


def describe(index: Index) -> list[dict[str, Any]]:
    """Describe each entry point in a row, as ``zoo plugins --json`` prints it."""
    rows = []
    for plugin in (plugin for plugin in index.plugins if plugin.entry_point.value):
        manifest = plugin.manifest
        offer: dict[str, Any] = {"family": None, "api": None, "architectures": 0, "bridge": None}
        if manifest.names:
            # Before the state is read: this parses the rows, which may prove broken.
            offer = {"family": manifest.family, "api": manifest.api, "architectures": len(manifest.architectures)}
            offer["bridge"] = _bridge(manifest.bridge) if manifest.bridge else None
        rows.append(_row(plugin.entry_point, plugin.state, plugin.problem) | offer)
    rows += [_row(entry, "ready", "") for entry in index.hooks]
    return rows + [_row(entry, "disabled", f"{variable} keeps it out") for entry, variable in index.disabled]


def versions() -> dict[str, str]:
    """The versions of Python, zoo-core, the plugin API, and PyTorch, which is not imported."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"Python": platform.python_version(), "zoo-core": __version__, "plugin API": str(API)}
    try:
        found["torch"] = version("torch")
    except (PackageNotFoundError, KeyError):  # KeyError: metadata without a version
        found["torch"] = "not installed"
    return found


def _bridge(bridge: Bridge) -> dict[str, Any]:
    return {"requires": bridge.requires, "installed": bridge.installed or None, "table": bridge.table}


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


def _entry_points(index: Index) -> list[EntryPoint]:
    return [*(plugin.entry_point for plugin in index.plugins if plugin.entry_point.value), *index.hooks]


def _of(entry: EntryPoint, found: Iterator[tuple[str, str]]) -> Iterator[Problem]:
    """Make problems of one plugin's (predicate, remedy) pairs; an error in finding them is one."""
    try:
        for predicate, remedy in found:
            yield Problem(entry.distribution, f"plugin {entry} {predicate}", remedy)
    except Exception as error:  # of a custom finder or a metadata parser: it must not hide the other plugins
        what = f"plugin {entry} cannot be examined: {said(error)}"
        yield Problem(entry.distribution, what, _reinstall(entry.distribution))


def _selection(index: Index) -> Iterator[Problem]:
    """Settings that name missing plugins."""
    installed = {entry.distribution for entry in index.scan.entry_points}
    for variable, names in ((ALLOW, index.selection.allowed), (DENY, index.selection.denied)):
        for name in sorted(names - installed - {"*"}):
            what = f"{variable} names {name!r}, which is not an installed plugin{did_you_mean(name, installed)}"
            yield Problem("", what, f"correct {variable}")


def _metadata(index: Index) -> Iterator[Problem]:
    """Metadata that is damaged, left over, or duplicated."""
    for location, what in index.scan.damaged:
        name = identity(location)[0]
        yield Problem(name, f"{location}/entry_points.txt has {what}", _reinstall(name))
    for location, used in index.scan.unused:
        name, points = identity(location)[0], read_entry_points(location)
        in_one_folder = os.path.dirname(location) == os.path.dirname(used)
        concerns_us = (
            MARK in points or (used and MARK in read_entry_points(used)) or (in_one_folder and name in CLOSED_IN)
        )
        if not concerns_us or (used and os.path.realpath(location) == os.path.realpath(used)):
            continue
        stale = next((each for each in (location, used) if each.endswith(".egg-info")), None)
        if stale and identity(location) == identity(used) and points == read_entry_points(used):
            continue  # beside the source of an editable installation, which it describes
        if not used:
            yield Problem(name, f"{location} was left behind by an interrupted pip", f"delete {location}")
        elif in_one_folder:
            what = f"{name} is there twice, and only {used} is used, not {location}"
            yield Problem(name, what, f"delete {stale}, which is stale" if stale else _reinstall(name))
        else:
            what = f"{location} is hidden by {used}, which is earlier on sys.path"
            remedy = f"delete {stale}, which is stale" if stale else f"uninstall {name} from one of the two"
            yield Problem(name, what, remedy)


def _conflicts(index: Index) -> Iterator[Problem]:
    """Names that several plugins claim, one problem for each set of claimants."""
    claims: dict[tuple[str, ...], list[str]] = {}
    for name, plugins in index.claims.items():
        claims.setdefault(tuple(plugin.distribution for plugin in plugins), []).append(name)
    for distributions, names in claims.items():
        listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        forms = " or ".join(f"{distribution}/{names[0]}" for distribution in dict.fromkeys(distributions))
        remedy = f"use the qualified names, such as {forms}, or keep one out with {DENY}={distributions[-1]}"
        yield Problem("", f"{' and '.join(distributions)} both offer {listed}", remedy)


def _plugin(plugin: Plugin) -> Iterator[tuple[str, str]]:
    """Faults of one plugin's manifest, its default configs, and the modules of its constructors."""
    entry, manifest = plugin.entry_point, plugin.manifest
    reinstall = _reinstall(entry.distribution)
    report = _report(entry, "write its tables anew") if manifest.bridge else _report(entry)
    rows = manifest.architectures  # parsed before the problem is read: they may prove broken
    if plugin.problem:
        remedies = {"incompatible": f"pip install --upgrade {entry.distribution} zoo-core"}
        if manifest.bridge:
            remedies["incomplete"] = f"pip install '{manifest.bridge.requires}'"
        yield f"is {plugin.state}: {plugin.problem}", remedies.get(plugin.state, reinstall)
        return
    if not entry.value:
        return
    for module in sorted({manifest.constructor(name).partition(":")[0] for name in rows}):
        yield from _module(entry, module)
    tagged = [f"{name}.{tag}" for name in rows for tag in manifest.tags(name)]
    offered = {*rows, *tagged}
    for old_name, target in manifest.aliases.items():
        if target not in offered:
            yield f"maps {old_name!r} to {target!r}, which it does not offer", report
    try:
        configs = manifest.configs
    except ZooError as error:
        yield f"has unreadable default configs: {error}", reinstall
        return
    for name, values in configs.items():
        try:
            PretrainedCfg.from_dict(values)
        except ZooError as error:
            yield f"has a broken default config {name!r}: {error}", report
        if name not in offered:
            yield f"has a default config {name!r} of no model", report
    for name in tagged:
        if name not in configs:
            yield f"has no default config for {name!r}", report
    yield from _facts(manifest, rows, tagged, report)


def _facts(manifest: Manifest, rows: Iterable[str], tagged: list[str], report: str) -> Iterator[tuple[str, str]]:
    """Faults of a manifest's facts and results."""
    for kind, read, known in (("facts", read_facts, {*rows}), ("results", read_results, {*tagged})):
        try:
            for name, row in getattr(manifest, kind).items():
                if name not in known:
                    yield f"has {kind} of {name!r}, which it does not offer", report
                read(row, f"has broken {kind} of {name!r}")
        except ZooError as error:
            yield str(error) if str(error).startswith("has ") else f"has unreadable {kind}: {error}", report


def _module(entry: EntryPoint, module: str) -> Iterator[tuple[str, str]]:
    """A missing module. Looks for its file: Python imports its parents to find its spec."""
    top, *inner = module.split(".")
    spec = find_spec(top) if top else None
    if spec is None:
        yield f"lacks its package {top!r}", _reinstall(entry.distribution)
    elif inner and spec.submodule_search_locations:
        locations = list(spec.submodule_search_locations)
        folders = filter(os.path.isdir, (os.path.join(location, *inner[:-1]) for location in locations))
        names = {name.partition(".")[0] for folder in folders for name in os.listdir(folder)}
        if os.path.isdir(locations[0]) and inner[-1] not in names:
            yield f"lacks its module {module!r}", _reinstall(entry.distribution)


def _requirements(entry: EntryPoint) -> Iterator[tuple[str, str]]:
    """Requirements that are invalid, not installed, or installed in another version."""
    from importlib.metadata import PackageNotFoundError, version

    from packaging.requirements import InvalidRequirement, Requirement

    for text in [value for field, value in read_metadata(entry.path) if field == "Requires-Dist"]:
        try:
            needed = Requirement(text)
        except InvalidRequirement:
            yield f"needs {text!r}, which is no requirement", _report(entry)
            continue
        if needed.marker and not needed.marker.evaluate({"extra": ""}):
            continue
        needed.marker = None
        try:
            installed = version(needed.name)
        except PackageNotFoundError:
            yield f"needs {needed}, which is not installed", f"pip install '{needed}'"
        else:
            if not needed.specifier.contains(installed, prereleases=True):
                yield f"needs {needed}, and version {installed} is installed", f"pip install '{needed}'"


def _reinstall(distribution: str) -> str:
    return f"pip install --force-reinstall {distribution}"


def _report(entry: EntryPoint, remedy: str = "run `zoo manifest`") -> str:
    return f"tell the authors of {entry.distribution} to {remedy}, or upgrade it"
