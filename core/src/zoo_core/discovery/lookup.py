"""From a model name to its constructor. Only `load_constructor` imports anything, one module."""

from __future__ import annotations

from zoo_core.discovery.registered import LocalPlugin
from zoo_core.errors import ConfigError, ModelNameError, PluginError
from zoo_core.names import ModelName, parse_model_name
from zoo_core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from zoo_core.config import PretrainedCfg
    from zoo_core.discovery.index import Index, Plugin
    from zoo_core.discovery.manifest import Manifest


class FoundModel(Record):
    """A model that was found by name: its plugin and its tag. Nothing of it is imported yet."""

    __slots__ = ("architecture", "old_name", "plugin", "tag")

    def __init__(self, architecture: str, tag: str | None, plugin: Plugin, old_name: str = "") -> None:
        self.architecture = architecture
        self.tag = tag
        """The requested tag, else the default one; None if the architecture has no tags."""
        self.plugin = plugin
        self.old_name = old_name
        """The deprecated name by which it was found."""

    @property
    def manifest(self) -> Manifest:
        """Its plugin's manifest."""
        return self.plugin.manifest

    @property
    def distribution(self) -> str:
        """Its plugin's distribution."""
        return self.plugin.distribution

    @property
    def family(self) -> str:
        """The family of its architecture."""
        return self.manifest.family_of(self.architecture)

    @property
    def constructor(self) -> str:
        """``module:attribute``."""
        return self.manifest.constructor(self.architecture)

    @property
    def name(self) -> str:
        """``architecture.tag``, or the architecture alone."""
        return str(ModelName(self.architecture, self.tag))

    @property
    def qualified_name(self) -> str:
        """``distribution/architecture[.tag]``, which no other plugin can claim."""
        return str(ModelName(self.architecture, self.tag, self.distribution))


def candidates(index: Index, name: ModelName) -> list[FoundModel]:
    """Find every meaning of a name: none, one model, or one of each plugin that claims it.

    Every plugin with the architecture claims all its tags: tags must not decide whose code runs.

    Raises:
        UnknownModelError: for a tag that none of them has.
    """
    offering = index.every(name.architecture) if name.distribution else index.offering(name.architecture)
    founds = [
        FoundModel(name.architecture, name.tag, plugin)
        for plugin in offering
        if name.distribution in (None, plugin.distribution)
    ]
    if not any(map(_has_tag, founds)):
        # An old tag may have a new name, as an old architecture may.
        founds = _renamed(index, name) or founds
    if founds and not any(map(_has_tag, founds)):
        from zoo_core.discovery.messages import unknown_tag

        raise unknown_tag(index, name, founds)
    for found in founds:
        found.tag = found.tag or found.manifest.default(found.architecture)
    return founds


def _has_tag(found: FoundModel) -> bool:
    tags = found.manifest.tags(found.architecture)
    # A manifest that proves broken here has every tag, so that its problem is reported.
    return found.tag is None or found.tag in tags or bool(found.plugin.problem)


def _renamed(index: Index, name: ModelName) -> list[FoundModel]:
    """Follow an old name, of an architecture or of one of its tags, in the plugins that map it."""
    founds = []
    for old, tag in ((str(ModelName(name.architecture, name.tag)), None), (name.architecture, name.tag)):
        for plugin in index.aliases.get(old, ()):
            target = parse_model_name(plugin.manifest.aliases.get(old, old))
            offered = target.architecture in plugin.manifest.names
            if offered and target.architecture != old and name.distribution in (None, plugin.distribution):
                founds.append(FoundModel(target.architecture, tag or target.tag, plugin, str(name)))
        if founds:
            break
    return founds


def find(index: Index, model_name: str | ModelName) -> FoundModel:
    """Find the one plugin that offers a name.

    Raises:
        ModelNameError, UnknownModelError, AmbiguousModelError, PluginError: see `find_model`.
    """
    name = parse_model_name(model_name)
    if name.scheme:
        raise ModelNameError(
            f"{str(name)!r} is a repository or folder, whose config.json names the architecture: "
            "pass it to create_model"
        )
    founds = candidates(index, name)
    if len(founds) != 1 or founds[0].plugin.problem:
        from zoo_core.discovery.messages import cannot_use

        raise cannot_use(index, name, [found.plugin for found in founds])
    found = founds[0]
    if found.old_name:
        _warn_deprecated(found.old_name, found.name)
    return found


def _warn_deprecated(old: str, new: str) -> None:
    import sys
    import warnings

    # Blame the first line outside this package, as skip_file_prefixes of Python 3.12 does.
    depth, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("zoo_core."):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(f"model name {old!r} is deprecated: use {new!r}", DeprecationWarning, stacklevel=depth)


def load_constructor(found: FoundModel) -> Callable[..., Any]:
    """Import the module of a model's constructor, and return the constructor.

    Raises:
        PluginError: if that fails, naming distribution, entry point and cause.
    """
    if isinstance(found.plugin, LocalPlugin):
        return found.plugin.constructors[found.architecture]
    from zoo_core.discovery.imports import import_object

    plugin = f"plugin {found.plugin.entry_point}"
    constructor = import_object(found.constructor, found.distribution, plugin)
    if not callable(constructor):
        what = f"it is of type {type(constructor).__name__}, and cannot be called"
        raise PluginError(f"{plugin} is broken: importing {found.constructor} failed: TypeError: {what}")
    return constructor


def find_pretrained_cfg(found: FoundModel) -> PretrainedCfg | None:
    """The default config of a found model; None if its plugin publishes none.

    Raises:
        PluginError: if the plugin's configs cannot be read, or the config is invalid.
    """
    from zoo_core.config import PretrainedCfg

    try:
        values = found.manifest.configs.get(found.name)
        if values is None:
            return None
        return PretrainedCfg.from_dict({**values, "architecture": found.architecture, "tag": found.tag})
    except (PluginError, ConfigError) as error:
        what = f"plugin {found.plugin.entry_point} has a broken default config {found.name!r}"
        raise PluginError(f"{what}: {error}") from error
