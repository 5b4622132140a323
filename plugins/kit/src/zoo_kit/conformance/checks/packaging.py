"""Checks of the installation: metadata, manifest, hooks. Only hook modules of the plugin run."""

from __future__ import annotations

import ast
from importlib.metadata import Distribution
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from zoo_core.discovery.doctor import examine
from zoo_core.hooks.manager import hook_problems, plugin_name
from zoo_core.names import normalize_distribution
from zoo_core.registry import current_index

from zoo_kit.conformance.check import NotApplicable, check
from zoo_kit.conformance.requirements import distributions_of, imported

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from zoo_kit.conformance.subject import Subject


@check(
    "plugin-api",
    reason="a plugin made for another version of the plugin API cannot be used with this zoo-core",
    remedy="run `zoo manifest` with the zoo-core that you support, and release the plugin again",
)
def plugin_api(subject: Subject) -> Iterable[str]:
    """The manifest's API version is this core's."""
    for plugin in subject.plugins:
        if plugin.state == "incompatible":
            yield f"{plugin.entry_point}: {plugin.problem}"


@check(
    "installation",
    reason="this is what `zoo doctor` tells everybody who installs the plugin",
    remedy="correct the entry point, the tables or the files that are named, and run `zoo manifest`",
    needs=("plugin-api",),
)
def installation(subject: Subject) -> Iterable[str]:
    """The doctor finds nothing wrong, and no name is offered twice."""
    index = current_index()
    copies = tuple(location for location, _ in index.scan.unused)  # of it elsewhere on the path: not its own doing
    for problem in examine(index):
        if problem.distribution == subject.distribution and not problem.what.startswith(copies):
            yield f"{problem.what} ({problem.remedy})"
    for name, plugins in index.claims.items():
        mine = [plugin.entry_point.name for plugin in plugins if plugin.distribution == subject.distribution]
        if len(mine) > 1:
            yield f"{name!r} is offered by both of its entry points {' and '.join(map(repr, mine))}"


@check(
    "packaging",
    reason="users, type checkers and pip read these from the wheel's metadata",
    remedy="complete [project] in pyproject.toml; the package needs a file py.typed",
)
def packaging(subject: Subject) -> Iterable[str]:
    """Licence, requirement of zoo-core, supported Python, type marker, one version."""
    metadata = Distribution.at(subject.entry_points[0].path).metadata
    if "zoo-core" not in _required(subject):
        yield "its dependencies do not name zoo-core"
    classifiers = metadata.get_all("Classifier") or ()
    if not (metadata["License-Expression"] or metadata["License"] or any("License ::" in c for c in classifiers)):
        yield "its metadata has no licence"
    if not metadata["Requires-Python"]:
        yield "its metadata does not say which Python it needs (requires-python)"
    if not metadata["Summary"]:
        yield "its metadata has no description"
    for folder in subject.folders:
        if folder.is_dir() and not (folder / "py.typed").is_file():
            yield f"{folder.name} has no py.typed: its annotations would be ignored"
        version = metadata["Version"]
        if (said := _stated_version(folder / "__init__.py")) not in (None, version):
            yield f"{folder.name}.__version__ is {said!r}, and its metadata says {version}: keep it in one place"


def _required(subject: Subject) -> set[str]:
    """Return the distributions that its metadata requires, those of extras included."""
    metadata = Distribution.at(subject.entry_points[0].path).metadata
    return {normalize_distribution(Requirement(text).name) for text in metadata.get_all("Requires-Dist") or ()}


def _stated_version(file: Path) -> str | None:
    """Return the text that a file assigns to ``__version__``; None if there is no such text."""
    if not file.is_file():
        return None
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if any(isinstance(t, ast.Name) and t.id == "__version__" for t in targets) and isinstance(value, ast.Constant):
            return str(value.value)
    return None


@check(
    "requirements",
    reason="pip installs what the metadata names: an import of anything else fails where only that is installed",
    remedy="name it in [project] dependencies, or in an extra, and import it then where it is used",
)
def requirements(subject: Subject) -> Iterable[str]:
    """The requirements name everything that the package imports."""
    mine = {*_required(subject), subject.distribution}
    lacking: dict[str, str] = {}
    for folder in subject.folders:
        for file in sorted(folder.rglob("*.py")):
            for package in sorted(imported(file.read_text(encoding="utf-8")) - set(subject.packages)):
                holders = distributions_of(package) or [normalize_distribution(package)]
                if not mine & set(holders):
                    lacking.setdefault(package, f"{file.relative_to(folder.parent)} imports {package} ({holders[0]})")
    yield from (f"{text}, which its requirements do not name" for text in lacking.values())


@check(
    "hooks",
    reason="a hook plugin that does not work is left out, with a warning, in every process that creates a model",
    remedy="name a module in the entry point whose functions, marked @hookimpl, are named as in zoo_core.hooks.specs",
)
def hooks(subject: Subject) -> Iterable[str]:
    """Every hook plugin imports, and implements hooks that exist."""
    if not subject.hooks:
        raise NotApplicable("it has no hook plugin")
    problems = hook_problems()
    for entry in subject.hooks:
        if problem := problems.get(plugin_name(entry)):
            yield f"{entry}: {problem}"
