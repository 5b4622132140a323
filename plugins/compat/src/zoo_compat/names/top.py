"""The names of ``timm`` itself: listing and creating. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zoo_core
from zoo_core import PretrainedCfg, is_model, is_model_pretrained, list_pretrained
from zoo_core.errors import ConfigError, UnknownModelError
from zoo_core.registry import find_model, is_model_in_modules, register_model

from zoo_compat.facade import VERSION
from zoo_compat.names.flags import is_exportable, is_scriptable, set_exportable, set_layer_config, set_scriptable

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from torch import nn

__version__ = VERSION

__all__ = [
    "__version__",
    "create_model",
    "get_pretrained_cfg",
    "get_pretrained_cfg_value",
    "is_exportable",
    "is_model",
    "is_model_in_modules",
    "is_model_pretrained",
    "is_scriptable",
    "list_models",
    "list_modules",
    "list_pretrained",
    "model_entrypoint",
    "register_model",
    "set_exportable",
    "set_scriptable",
]


class UnknownTimmModelError(UnknownModelError, RuntimeError):
    """An unknown model, as timm's callers expect it: a `RuntimeError`."""


def list_models(
    filter: str | Sequence[str] = "",  # noqa: A002 - timm's name
    module: str | Sequence[str] = "",
    pretrained: bool = False,
    exclude_filters: str | Sequence[str] = "",
    name_matches_cfg: bool = False,
    include_tags: bool | None = None,
) -> list[str]:
    """List models; `module` is a family, as timm's modules are: ``resnet``."""
    return zoo_core.list_models(
        filter,
        family=_family(module) if isinstance(module, str) else [_family(name) for name in module],
        pretrained=pretrained,
        exclude_filters=exclude_filters,
        name_matches_cfg=name_matches_cfg,
        include_tags=include_tags,
    )


def list_modules() -> list[str]:
    """List the families, which are timm's modules of models."""
    return zoo_core.list_families()


def create_model(
    model_name: str,
    pretrained: bool = False,
    pretrained_cfg: str | Mapping[str, Any] | PretrainedCfg | None = None,
    pretrained_cfg_overlay: Mapping[str, Any] | None = None,
    checkpoint_path: str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    scriptable: bool | None = None,
    exportable: bool | None = None,
    no_jit: bool | None = None,
    block_args: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> nn.Module:
    """Create a model with timm's arguments, and the attributes that timm's models have.

    Args:
        model_name: of an installed plugin; what none offers is made by an installed timm.
        pretrained: as `zoo_core.create_model`, and so the arguments that follow it.
        pretrained_cfg: see `pretrained`.
        pretrained_cfg_overlay: see `pretrained`.
        checkpoint_path: see `pretrained`; ``""`` means none.
        cache_dir: see `pretrained`.
        scriptable: says what the model is for; Zoo's are scripted as they are.
        exportable: as `scriptable`.
        no_jit: as `scriptable`.
        block_args: options of the blocks, which are options of the network here.
        kwargs: the architecture's options; None means the default.

    Raises:
        UnknownTimmModelError: a `RuntimeError`, for a name that neither Zoo nor timm knows.
        ZooError: as `zoo_core.create_model`.
    """
    from zoo_compat.attributes import add_attributes

    options = {**kwargs, **(block_args or {})}
    if isinstance(pool := options.get("global_pool"), str) and pool.startswith("fast"):
        options["global_pool"] = pool.removeprefix("fast") or "avg"  # timm's faster kernel for the same means
    try:
        with set_layer_config(scriptable=scriptable, exportable=exportable, no_jit=no_jit):
            model = zoo_core.create_model(
                model_name,
                pretrained,
                pretrained_cfg=pretrained_cfg,
                pretrained_cfg_overlay=pretrained_cfg_overlay,
                checkpoint_path=checkpoint_path,
                cache_dir=cache_dir,
                **options,
            )
    except UnknownModelError as error:
        from zoo_compat.facade import real_timm

        if (timm := real_timm("timm")) is None or not timm.is_model(model_name):
            raise UnknownTimmModelError(str(error)) from error
        flags = {"scriptable": scriptable, "exportable": exportable, "no_jit": no_jit}
        given = {
            "pretrained_cfg": pretrained_cfg,
            "pretrained_cfg_overlay": pretrained_cfg_overlay,
            "checkpoint_path": checkpoint_path,
            "cache_dir": cache_dir,
            "block_args": block_args,
        }
        made: nn.Module = timm.create_model(
            model_name, pretrained, **{key: value for key, value in given.items() if value}, **flags, **kwargs
        )
        return made
    return add_attributes(model, options)


def model_entrypoint(model_name: str, module_filter: str | None = None) -> Callable[..., Any]:
    """Return the constructor of a model.

    Raises:
        UnknownTimmModelError: a `RuntimeError`, for an unknown name, or one outside the family.
    """
    try:
        found = find_model(model_name)
        if module_filter and _family(module_filter) != found.manifest.family_of(found.architecture):
            raise UnknownModelError(f"model {model_name!r} is not in {module_filter}")
        return zoo_core.model_entrypoint(model_name)
    except UnknownModelError as error:
        raise UnknownTimmModelError(str(error)) from error


def get_pretrained_cfg(model_name: str, allow_unregistered: bool = True) -> PretrainedCfg | None:
    """Return the default config of a model; None for an unknown name.

    Raises:
        UnknownTimmModelError: for an unknown name where `allow_unregistered` is False.
    """
    try:
        return zoo_core.get_pretrained_cfg(model_name)
    except (UnknownModelError, ConfigError) as error:
        if allow_unregistered:
            return None
        raise UnknownTimmModelError(str(error)) from error


def get_pretrained_cfg_value(model_name: str, cfg_key: str) -> Any:
    """Return one field of a model's default config; None for a field or a name that is unknown."""
    return getattr(get_pretrained_cfg(model_name), cfg_key, None)


def _family(module: str) -> str:
    """Return the family that stands for one of timm's modules."""
    return {"xception_aligned": "xception"}.get(module, module)
