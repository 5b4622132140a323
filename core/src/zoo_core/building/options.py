"""Share a caller's options out between the builder, the network and its configuration."""

from __future__ import annotations

import dataclasses
import inspect
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from zoo_core.errors import OptionError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from zoo_core.config import PretrainedCfg

# Options of the builder itself, for suggestions: a user sees one list of options.
_BUILDER_OPTIONS = {
    "pretrained",
    "pretrained_cfg",
    "pretrained_cfg_overlay",
    "features_only",
    "out_indices",
    "feature_cls",
}


def resolve_dtype(dtype: torch.dtype | str | None) -> torch.dtype | None:
    """Return a floating-point dtype, given by itself or by name; None stays None.

    Raises:
        OptionError: for anything else.
    """
    if dtype is None:
        return None
    named = getattr(torch, dtype.removeprefix("torch."), None) if isinstance(dtype, str) else dtype
    if not isinstance(named, torch.dtype) or not named.is_floating_point:
        raise OptionError(f"dtype is a floating-point dtype such as torch.bfloat16, or its name, not {dtype!r}")
    return named


@cache
def _parameters(model_cls: Any) -> dict[str, inspect.Parameter]:
    return dict(list(inspect.signature(model_cls.__init__).parameters.items())[1:])


def network_options(
    model_cls: type[nn.Module],
    cfg: PretrainedCfg,
    options: Mapping[str, Any],
    *,
    features_only: bool = False,
    model_cfg: Any = None,
) -> dict[str, Any]:
    """Return the caller's options that are not None, and the default config's classes and channels.

    A fixed image size is the default config's, too, where the network has the option ``img_size``.

    Raises:
        OptionError: for a count of classes or channels that is no count.
    """
    parameters = _parameters(model_cls)  # type: ignore[arg-type] # mypy takes a module's __hash__ for its class's
    published = {"num_classes": cfg.num_classes, "in_chans": cfg.input_size[0]}
    chosen: dict[str, Any] = {key: value for key, value in published.items() if key in parameters}
    if cfg.fixed_input_size and "img_size" in {*parameters, *_fields(model_cfg)}:
        chosen["img_size"] = cfg.input_size[1:]
    chosen |= {key: value for key, value in options.items() if value is not None}
    for name, least in (("num_classes", 0), ("in_chans", 1)):
        count = chosen.get(name, least)
        if type(count) is not int:
            raise OptionError(f"{name} {count!r}: a whole number, at least {least}")
        if count < least:
            raise OptionError(f"{name} {count}: at least {least}")
    if features_only and "num_classes" in chosen:
        chosen["num_classes"] = 0
    return chosen


def split_options(
    model_cls: type[nn.Module], variant: str, model_cfg: Any, options: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Share the caller's options out between the network's configuration and its own arguments.

    Returns:
        Positional arguments (the configuration, if there is one) and keyword arguments of
        `model_cls`.

    Raises:
        OptionError: for an option that neither has, with the nearest one.
    """
    parameters = _parameters(model_cls)  # type: ignore[arg-type] # as above
    fields = _fields(model_cfg)
    own = [name for name, parameter in parameters.items() if parameter.kind is not inspect.Parameter.VAR_KEYWORD]
    takes_any = len(own) < len(parameters)
    known = {*own[model_cfg is not None :], *fields}
    for name in options:
        if name not in known and not takes_any:
            hint = did_you_mean(name, known | _BUILDER_OPTIONS)
            raise OptionError(f"{variant} has no option {name!r}{hint or '; it has ' + ', '.join(sorted(known))}")
    changed = {name: value for name, value in options.items() if name in fields}
    if changed:
        model_cfg = dataclasses.replace(model_cfg, **changed)
    arguments = () if model_cfg is None else (model_cfg,)
    return arguments, {name: value for name, value in options.items() if name not in fields}


def feature_options(architecture: str, features_only: bool, **chosen: Any) -> dict[str, Any]:
    """Return the options of a feature wrapper.

    Raises:
        OptionError: for any that is not None, without `features_only`.
    """
    if not features_only and any(value is not None for value in chosen.values()):
        raise OptionError(f"{architecture}: {', '.join(chosen)} need features_only=True")
    return chosen


def call_library(
    architecture: str, make: Callable[..., nn.Module], known: Iterable[str], /, **options: Any
) -> nn.Module:
    """Call a constructor of another library, and say as Zoo does which option it does not have.

    Raises:
        OptionError: for such an option, with the nearest of `known`.
    """
    try:
        return make(**options)
    except TypeError as error:
        name = str(error).partition("unexpected keyword argument '")[2].partition("'")[0]
        if name not in options:
            raise
        raise OptionError(f"{architecture} has no option {name!r}{did_you_mean(name, known)}") from error


def _fields(model_cfg: Any) -> set[str]:
    return {field.name for field in dataclasses.fields(model_cfg)} if dataclasses.is_dataclass(model_cfg) else set()
