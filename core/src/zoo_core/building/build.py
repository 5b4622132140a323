"""From a network class and a default config to a model: build, narrow, load or initialise, cast, wrap."""

from __future__ import annotations

import dataclasses
import gc
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from zoo_core.building.deferred import Deferral
from zoo_core.building.infer import derived_fields
from zoo_core.building.meta import to_meta
from zoo_core.config import PretrainedCfg
from zoo_core.errors import ConfigError, OptionError, WeightsError, did_you_mean

if TYPE_CHECKING:
    import os

    from zoo_core.weights.loading.load import FilterFn

# Options of the builder itself, for suggestions: a user sees one list of options.
_BUILDER_OPTIONS = (
    "pretrained",
    "pretrained_cfg",
    "pretrained_cfg_overlay",
    "features_only",
    "out_indices",
    "feature_cls",
)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Spare the garbage collector looks at what is being built: many objects, none of them garbage.

    In a process that has just imported torch, one such look takes 90 ms.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@_collector_paused()
def build_model_with_cfg(
    model_cls: type[nn.Module],
    variant: str,
    pretrained: bool,
    default_cfg: PretrainedCfg | Mapping[str, Any] | None = None,
    model_cfg: Any = None,
    feature_cfg: Mapping[str, Any] | None = None,
    pretrained_strict: bool = True,
    pretrained_filter_fn: FilterFn | None = None,
    pretrained_custom_load: bool = False,
    *,
    pretrained_cfg: PretrainedCfg | Mapping[str, Any] | None = None,
    pretrained_cfg_overlay: Mapping[str, Any] | None = None,
    pruned: Mapping[str, Sequence[int]] | None = None,
    features_only: bool = False,
    out_indices: int | Sequence[int] | None = None,
    feature_cls: str | type[nn.Module] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    mmap: bool | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | str | None = None,
    **options: Any,
) -> nn.Module:
    """Build one model. What a constructor calls.

    Args:
        model_cls: the network's class.
        variant: the architecture's name.
        pretrained: load the weights that the default config names.
        default_cfg: the architecture's default config.
        model_cfg: the network's configuration, its first argument; `options` that are its fields replace them.
        feature_cfg: options of the feature wrapper.
        pretrained_strict: every key must have its counterpart.
        pretrained_filter_fn: ``(state_dict, model) -> state_dict`` with the model's keys.
        pretrained_custom_load: call ``model.load_pretrained(path)`` instead of filling a state dict.
        pretrained_cfg: used instead of `default_cfg`.
        pretrained_cfg_overlay: fields that replace those of the default config, for this call.
        pruned: shapes of a state dict to prune the network to, see `zoo_core.building.narrow`.
        features_only: return a feature extractor.
        out_indices: which maps it yields.
        feature_cls: which wrapper makes it.
        cache_dir: where downloaded weights are kept.
        mmap: map the weights' file instead of copying it; by default only files in caches and packages.
        device: where the model is built; by default the current default device.
        dtype: of its floating-point tensors, or the name of one: ``"bfloat16"``.
        options: the network's own: ``num_classes``, ``in_chans``, ``drop_rate``, ...

    Raises:
        OptionError: for an option that the network does not have, with the nearest one.
        WeightsError: see `load_weights`.
        FeatureError: for feature maps that do not exist.
        PluginError: for a network that leaves a parameter or buffer as memory happened to be.
    """
    cfg, dtype = resolve_cfg(variant, default_cfg, pretrained_cfg, pretrained_cfg_overlay), resolve_dtype(dtype)
    if not features_only and (out_indices is not None or feature_cls is not None):
        raise OptionError(f"{variant}: out_indices and feature_cls need features_only=True")
    options = network_options(model_cls, cfg, options, features_only=features_only)
    arguments, options = split_options(model_cls, variant, model_cfg, options)
    with building(device) as deferral:
        model = model_cls(*arguments, **options)
        if pruned is not None:
            model = narrow(model, pruned)
        cfg = describe(model, cfg)
        if pretrained:
            load_weights(
                model,
                variant,
                cfg,
                filter_fn=pretrained_filter_fn,
                strict=pretrained_strict,
                custom=pretrained_custom_load,
                cache_dir=cache_dir,
                mmap=mmap,
            )
    complete(model, deferral, device, dtype)
    return wrap(model, feature_cfg, out_indices, feature_cls) if features_only else model


@contextmanager
def building(device: torch.device | str | None = None) -> Iterator[Deferral]:
    """Where a network is constructed and loaded: on its device, no draw carried out that may be spared.

    What comes out is what constructing and loading give elsewhere, once `complete` has been called. A network for the
    meta device is built like any other, so that its constructor may compute with values.
    """
    place = _place(device)
    keeps_seed: AbstractContextManager[None] = nullcontext()
    if place.type == "meta":
        place, keeps_seed = torch.device("cpu"), torch.random.fork_rng(devices=[])
    # A context that sets the device that is set already would put a Python call before each of torch's.
    with keeps_seed, nullcontext() if place == torch.get_default_device() else place, Deferral() as deferral:
        yield deferral


def complete(
    model: nn.Module,
    deferral: Deferral,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> None:
    """Give values to what neither constructor nor weights gave any yet; cast, or drop all values for the meta device.

    Args:
        model: what was built.
        deferral: of the `building` that it was built in, which has ended.
        device: as given to `building`.
        dtype: of floating-point tensors; None leaves it.

    Raises:
        PluginError: for a parameter or buffer that nobody has given values.
    """
    on_meta = _place(device).type == "meta"
    deferral.finish(model, draw=not on_meta)
    if on_meta:
        to_meta(model)
    if dtype is not None:
        model.to(dtype=dtype)


def narrow(model: nn.Module, shapes: Mapping[str, Sequence[int]]) -> nn.Module:
    """Prune a network to the shapes of a state dict, see `zoo_core.building.narrow`."""
    from zoo_core.building.narrow import adapt_model_to_state_dict

    return adapt_model_to_state_dict(model, shapes)


def describe(model: nn.Module, cfg: PretrainedCfg) -> PretrainedCfg:
    """Complete a default config by what follows from the network, and let the network carry it."""
    if derived := derived_fields(model, cfg):
        cfg = dataclasses.replace(cfg, **derived)
    model.pretrained_cfg = model.default_cfg = cfg  # type: ignore[assignment] # plain data on a module
    return cfg


def load_weights(
    model: nn.Module,
    variant: str,
    cfg: PretrainedCfg,
    *,
    filter_fn: FilterFn | None = None,
    strict: bool = True,
    custom: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    mmap: bool | None = None,
) -> None:
    """Load the weights that a default config names; arguments as for `build_model_with_cfg`.

    Raises:
        WeightsError: if there are none, or see `zoo_core.weights.loading.load.load_pretrained`.
    """
    from zoo_core.weights.files.detect import WEIGHT_SUFFIXES
    from zoo_core.weights.loading.load import load_custom_pretrained, load_pretrained

    _require_weights(variant, cfg)
    # The network's own loader reads the format in which its weights were published, not a checkpoint of the user's.
    if (custom or cfg.custom_load) and not (cfg.file and cfg.file.endswith(WEIGHT_SUFFIXES)):
        load_custom_pretrained(model, cfg, cache_dir=cache_dir)
    else:
        load_pretrained(model, cfg, filter_fn=filter_fn, strict=strict, cache_dir=cache_dir, mmap=mmap, assign=True)


def wrap(
    model: nn.Module,
    feature_cfg: Mapping[str, Any] | None = None,
    out_indices: int | Sequence[int] | None = None,
    feature_cls: str | type[nn.Module] | None = None,
) -> nn.Module:
    """Make a feature extractor of a network; what the caller chose goes before the family's `feature_cfg`."""
    from zoo_core.features.wrap import wrap_features

    wanted = {"out_indices": out_indices, "feature_cls": feature_cls}
    chosen = {key: value for key, value in wanted.items() if value is not None}
    model.pretrained_cfg = model.default_cfg = default_cfg_for_features(model.default_cfg)  # type: ignore[assignment, arg-type]
    return wrap_features(model, {**(feature_cfg or {}), **chosen})


def _place(device: torch.device | str | None) -> torch.device:
    return torch.get_default_device() if device is None else torch.device(device)


def resolve_cfg(
    variant: str,
    default_cfg: PretrainedCfg | Mapping[str, Any] | None,
    pretrained_cfg: PretrainedCfg | Mapping[str, Any] | None = None,
    overlay: Mapping[str, Any] | None = None,
) -> PretrainedCfg:
    """The default config of one call: the caller's or the architecture's, with the caller's overlay.

    Raises:
        ConfigError: for a field that does not exist, or something that is no config.
    """
    cfg = default_cfg if pretrained_cfg is None else pretrained_cfg
    if cfg is None:
        cfg = PretrainedCfg(architecture=variant)
    elif isinstance(cfg, Mapping):
        cfg = cfg if isinstance(cfg, PretrainedCfg) else PretrainedCfg.from_dict(cfg)
    else:
        raise ConfigError(f"expected a PretrainedCfg or a dict of its fields, not {type(cfg).__name__}: {cfg!r}")
    return cfg.overlaid(overlay) if overlay else cfg


def resolve_dtype(dtype: torch.dtype | str | None) -> torch.dtype | None:
    """The floating-point dtype that is meant, by itself or by name.

    Raises:
        OptionError: for anything else.
    """
    named = getattr(torch, dtype.removeprefix("torch."), None) if isinstance(dtype, str) else dtype
    if named is None and dtype is None:
        return None
    if not isinstance(named, torch.dtype) or not named.is_floating_point:
        raise OptionError(f"dtype is a floating-point dtype such as torch.bfloat16, or its name, not {dtype!r}")
    return named


def default_cfg_for_features(default_cfg: PretrainedCfg | Mapping[str, Any]) -> PretrainedCfg:
    """A default config without what an extractor does not have: classes and classifier."""
    dropped = {"num_classes": 0, "classifier": None, "label_offset": 0, "label_names": None, "label_descriptions": None}
    return PretrainedCfg.from_dict({**default_cfg, **dropped})


@cache
def _parameters(model_cls: Any) -> dict[str, inspect.Parameter]:
    return dict(list(inspect.signature(model_cls.__init__).parameters.items())[1:])


def network_options(
    model_cls: type[nn.Module], cfg: PretrainedCfg, options: Mapping[str, Any], *, features_only: bool = False
) -> dict[str, Any]:
    """The caller's options that are not None, and what the default config says where the network has the option.

    Raises:
        OptionError: for a count of classes or channels that is none.
    """
    parameters = _parameters(model_cls)  # type: ignore[arg-type] # mypy takes a module's __hash__ for its class's
    said = {"num_classes": cfg.num_classes, "in_chans": cfg.input_size[0]}
    chosen = {key: value for key, value in said.items() if key in parameters}
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
        Positional arguments (the configuration, if there is one) and keyword arguments of `model_cls`.

    Raises:
        OptionError: for an option that neither has, with the nearest one.
    """
    parameters = _parameters(model_cls)  # type: ignore[arg-type] # as above
    fields = {field.name for field in dataclasses.fields(model_cfg)} if dataclasses.is_dataclass(model_cfg) else set()
    own = [name for name, parameter in parameters.items() if parameter.kind is not inspect.Parameter.VAR_KEYWORD]
    takes_any = len(own) < len(parameters)
    known = {*own[model_cfg is not None :], *fields}
    for name in options:
        if name not in known and not takes_any:
            hint = did_you_mean(name, {*known, *_BUILDER_OPTIONS})
            raise OptionError(f"{variant} has no option {name!r}{hint or '; it has ' + ', '.join(sorted(known))}")
    changed = {name: value for name, value in options.items() if name in fields}
    if changed:
        model_cfg = dataclasses.replace(model_cfg, **changed)
    arguments = () if model_cfg is None else (model_cfg,)
    return arguments, {name: value for name, value in options.items() if name not in fields}


def _require_weights(variant: str, cfg: PretrainedCfg) -> None:
    if cfg.has_weights:
        return
    from zoo_core.registry import list_pretrained

    tags = list_pretrained(f"{variant}.*")
    wanted = f"{variant}.{cfg.tag}" if cfg.tag else variant
    remedy = f"; there are for {', '.join(tags)}" if tags else "; create it with pretrained=False"
    raise WeightsError(f"there are no pretrained weights for {wanted}{remedy}")
