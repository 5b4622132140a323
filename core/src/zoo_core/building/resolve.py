"""Resolve a model name to a constructor and a default config. No other file does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from zoo_core.config import PretrainedCfg
from zoo_core.errors import ConfigError
from zoo_core.names import ModelName, parse_model_name
from zoo_core.registry import find_model, find_pretrained_cfg, is_model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from zoo_core.registry import FoundModel


class NamedModel(NamedTuple):
    """What a model name stands for."""

    found: FoundModel
    default_cfg: PretrainedCfg | None
    """Published by the plugin or the repository; None where the constructor alone may know one."""
    is_repository: bool = False
    options: Mapping[str, Any] = {}
    """Options of the network that a repository's weights were made with; not yet checked."""


def resolve_model(
    model_name: str, tag: str | None = None, *, cache_dir: str | PathLike[str] | None = None
) -> NamedModel:
    """Find what a name stands for: an installed plugin's model, or a repository's.

    Args:
        model_name: as `zoo_core.create_model` takes it.
        tag: used instead of the name's.
        cache_dir: where a repository's config is kept.

    Raises:
        ModelNameError, UnknownModelError, AmbiguousModelError, PluginError: see
        `zoo_core.registry.find_model`. ConfigError: for a tag of a repository, or a config of one
        that cannot be used. WeightsError: for a repository that cannot be had.
    """
    name = parse_model_name(model_name)
    if not name.scheme:
        if tag is not None:
            name = ModelName(name.architecture, tag, name.distribution)
        found = find_model(name)
        return NamedModel(found, find_pretrained_cfg(found))
    if tag is not None:
        raise ConfigError(f"pretrained_cfg {tag!r}: {model_name} has no tags; expected a PretrainedCfg or a dict")
    from zoo_core.weights.hub.hub_config import read_hub_config

    hub = read_hub_config(name, cache_dir=cache_dir)
    found = find_model(hub.qualified if hub.qualified and is_model(hub.qualified) else hub.architecture)
    return NamedModel(found, hub.pretrained_cfg, True, hub.model_args)


def resolve_default_cfg(
    found: PretrainedCfg | Mapping[str, Any] | None,
    override: PretrainedCfg | Mapping[str, Any] | None = None,
    overlay: Mapping[str, Any] | None = None,
) -> PretrainedCfg:
    """Return the default config of one call.

    Args:
        found: the architecture's, or the repository's.
        override: the caller's, used instead.
        overlay: fields that replace those of either.

    Raises:
        ConfigError: for a field that does not exist, a wrong value, or what is no mapping of
        fields.
    """
    cfg = PretrainedCfg.from_dict((found or {}) if override is None else override)
    return cfg if overlay is None else cfg.overlaid(overlay)


def default_cfg_for_features(default_cfg: PretrainedCfg | Mapping[str, Any]) -> PretrainedCfg:
    """Return a default config without what an extractor does not have: classes and classifier."""
    dropped = {"num_classes": 0, "classifier": None, "label_offset": 0, "label_names": None, "label_descriptions": None}
    return PretrainedCfg.from_dict(default_cfg).overlaid(dropped)
