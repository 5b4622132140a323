"""The models of the installed plugins and of this process: listing, finding, registering.

The only state of discovery is here: the index, and the registered models. Importing this scans
nothing. Only `load_constructor` and `model_entrypoint` run a plugin's code.
"""

from __future__ import annotations

from zoo_core.discovery import listing
from zoo_core.discovery.index import Index, Plugin, build_index
from zoo_core.discovery.lookup import FoundModel as FoundModel
from zoo_core.discovery.lookup import candidates, find
from zoo_core.discovery.lookup import find_pretrained_cfg as find_pretrained_cfg
from zoo_core.discovery.lookup import load_constructor as load_constructor
from zoo_core.discovery.registered import LocalPlugin
from zoo_core.errors import ConfigError, ModelNameError, UnknownModelError, did_you_mean
from zoo_core.locks import fork_safe_lock
from zoo_core.names import ModelName, parse_model_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from zoo_core.config import PretrainedCfg

_lock = fork_safe_lock()
_local = LocalPlugin()
_index: Index | None = None


def current_index() -> Index:
    """Return the index. The first caller builds it, whole before any other sees it."""
    global _index
    index = _index  # once, as another thread may refresh meanwhile
    if index is None:
        with _lock:
            index = _index
            if index is None:
                index = build_index()
                index.add(_local)
                _index = index
    return index


def refresh() -> None:
    """Forget the index, to notice plugins installed or removed since. Keeps registered models."""
    global _index
    import importlib

    with _lock:
        importlib.invalidate_caches()
        _index = None


def plugins() -> tuple[Plugin, ...]:
    """Every installed plugin that is not disabled, broken ones too."""
    return tuple(plugin for plugin in current_index().plugins if plugin is not _local)


def find_model(model_name: str | ModelName) -> FoundModel:
    """Find a model's plugin by name. Loads nothing.

    Raises:
        ModelNameError: for a malformed name, or a scheme.
        UnknownModelError: if no installed plugin offers it; suggests names and plugins to install.
        AmbiguousModelError: if several do; lists the qualified names.
        PluginError: if its plugin cannot be used.
    """
    return find(current_index(), model_name)


def list_models(
    filter: str | Sequence[str] = "",  # noqa: A002 - the name that the field knows
    *,
    family: str | Sequence[str] = "",
    module: str | Sequence[str] = "",
    pretrained: bool = False,
    include_tags: bool | None = None,
    exclude_filters: str | Sequence[str] = "",
    name_matches_cfg: bool = False,
) -> list[str]:
    """List names of models in natural order; a name that several distributions claim, qualified.

    Args:
        filter: shell pattern(s), such as ``"resnet*"``, of which one must match. One without a tag
            matches every tag; one with a slash matches the qualified names of every model, also of
            those whose names mean another plugin's: ``"zoo-timm/*"``.
        family: only these families.
        module: only constructors in these modules or packages.
        pretrained: only models with weights.
        include_tags: list ``architecture.tag``; by default if `pretrained`.
        exclude_filters: pattern(s) of names to leave out.
        name_matches_cfg: only names with a default config of their own.
    """
    return listing.names(
        current_index(),
        filter,
        family=family,
        module=module,
        pretrained=pretrained,
        include_tags=include_tags,
        exclude_filters=exclude_filters,
        name_matches_cfg=name_matches_cfg,
    )


def list_pretrained(
    filter: str | Sequence[str] = "",  # noqa: A002 - as `list_models`
    *,
    exclude_filters: str | Sequence[str] = "",
) -> list[str]:
    """List ``architecture.tag`` of all weights."""
    return list_models(filter, pretrained=True, include_tags=True, exclude_filters=exclude_filters)


def list_families() -> list[str]:
    """List the families of the installed plugins."""
    return listing.families(current_index())


def is_model(model_name: str) -> bool:
    """Return whether an installed plugin offers the name, or several do; False for a scheme."""
    return _exists(model_name) is not None


def is_model_in_modules(model_name: str, module_names: Iterable[str]) -> bool:
    """Return whether the constructor of a model lies in one of the modules or packages."""
    found = _exists(model_name)
    return found is not None and listing.in_modules(found.constructor, module_names)


def is_model_pretrained(model_name: str) -> bool:
    """Return whether the tag of a name, or its default tag, has weights."""
    found = _exists(model_name)
    return found is not None and found.tag in found.manifest.trained_tags(found.architecture)


def model_entrypoint(model_name: str, module_filter: str | None = None) -> Callable[..., Any]:
    """Import and return the constructor of a model.

    Raises:
        UnknownModelError: also for a constructor outside `module_filter`, a module or package.
        PluginError: if its plugin fails to import.
    """
    found = find_model(model_name)
    if module_filter and not listing.in_modules(found.constructor, [module_filter]):
        raise UnknownModelError(f"model {model_name!r} is not in {module_filter}, but {found.constructor}")
    return load_constructor(found)


def get_pretrained_cfg(model_name: str) -> PretrainedCfg | None:
    """The default config of a model name, or None; with the errors of `find_model`."""
    return find_pretrained_cfg(find_model(model_name))


def get_pretrained_cfg_value(model_name: str, cfg_key: str) -> Any:
    """One field of a model's default config; None without a config.

    Raises:
        ConfigError: for an unknown field.
    """
    from zoo_core.config import PretrainedCfg

    if cfg_key not in PretrainedCfg.__dataclass_fields__:
        known = PretrainedCfg.__dataclass_fields__
        raise ConfigError(f"unknown default config field {cfg_key!r}{did_you_mean(cfg_key, known)}")
    cfg = get_pretrained_cfg(model_name)
    return getattr(cfg, cfg_key) if cfg else None


def register_model(
    constructor: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    family: str | None = None,
    pretrained: Mapping[str, PretrainedCfg] | None = None,
) -> Any:
    """Register a constructor of the running process, as ``@register_model`` or with arguments.

    Args:
        constructor: ``mynet(pretrained=False, **options)``.
        name: the architecture's; default: the function's name.
        family: default: ``"local"``.
        pretrained: tag to default config; the first tag is the default.

    Raises:
        ModelNameError: for a name that no architecture can have.
        PluginError: if another function was registered under it.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        architecture = name or function.__name__
        with _lock:
            _local.register(architecture, function, family, pretrained or {})
            if _index is not None:
                _index.claim(architecture, _local)
        return function

    return register if constructor is None else register(constructor)


def _exists(model_name: str) -> FoundModel | None:
    """Find a model without errors and warnings; the first of several."""
    try:
        return next(iter(candidates(current_index(), parse_model_name(model_name))), None)
    except (ModelNameError, UnknownModelError):
        return None
