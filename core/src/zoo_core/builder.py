"""From a network class and a default config to a model: build, prune, load or initialise, wrap."""

from __future__ import annotations

import dataclasses
import gc
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from zoo_core.blueprint import Blueprint, suspended
from zoo_core.config import PretrainedCfg
from zoo_core.derive import derived_fields
from zoo_core.errors import ConfigError, OptionError, WeightsError, did_you_mean
from zoo_core.network import Network, each_module
from zoo_core.weights.load import FilterFn, load_custom_pretrained, load_pretrained

if TYPE_CHECKING:
    import os

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

    In a process that has just imported torch, one such look takes 90 ms. The look that it would take afterwards, at all
    that is new, takes as long as building a small network does; freezing and thawing moves what is new to what is old,
    where it belongs, without a look. What somebody else has frozen stays frozen.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            if not gc.get_freeze_count():
                gc.freeze()
                gc.unfreeze()
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
    dtype: torch.dtype | None = None,
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
        pruned: shapes of a state dict to prune the network to, see `zoo_core.weights.prune`.
        features_only: return a feature extractor.
        out_indices: which maps it yields.
        feature_cls: which wrapper makes it.
        cache_dir: where downloaded weights are kept.
        mmap: map the weights' file instead of copying it; by default only files in caches and packages.
        device: where the model is built; by default the current default device.
        dtype: of its floating-point tensors.
        options: the network's own: ``num_classes``, ``in_chans``, ``drop_rate``, ...

    Raises:
        OptionError: for an option that the network does not have, with the nearest one.
        WeightsError: see `zoo_core.weights.load.load_pretrained`.
        FeatureError: for feature maps that do not exist.
    """
    cfg = resolve_cfg(variant, default_cfg, pretrained_cfg, pretrained_cfg_overlay)
    if not features_only and (out_indices is not None or feature_cls is not None):
        raise OptionError(f"{variant}: out_indices and feature_cls need features_only=True")
    options = {**_cfg_defaults(model_cls, cfg), **{key: value for key, value in options.items() if value is not None}}
    if features_only and "num_classes" in options:
        options["num_classes"] = 0
    arguments, options = split_options(model_cls, variant, model_cfg, options)
    place = torch.device(device) if device is not None else torch.get_default_device()

    # A network of ours fills itself on demand: nothing is drawn that the weights replace, and nothing is drawn twice.
    lazily = issubclass(model_cls, Network)
    draws_all = not pretrained and pruned is None
    with Blueprint(place if draws_all else torch.device("meta")) if lazily else place:
        model = model_cls(*arguments, **options)
    if pruned is not None:
        from zoo_core.weights.prune import adapt_model_to_state_dict

        model = adapt_model_to_state_dict(model, pruned)
    if derived := derived_fields(model, cfg):
        cfg = dataclasses.replace(cfg, **derived)
    model.pretrained_cfg = model.default_cfg = cfg.to_dict()  # type: ignore[assignment] # plain data on a module
    if pretrained:
        _require_weights(variant, cfg)
        if pretrained_custom_load or cfg.custom_load:
            if lazily:
                materialise(cast("Network", model), place, loaded=False)
            load_custom_pretrained(model, cfg, cache_dir=cache_dir)
        else:
            load_pretrained(
                model,
                cfg,
                filter_fn=pretrained_filter_fn,
                strict=pretrained_strict,
                cache_dir=cache_dir,
                mmap=mmap,
                assign=lazily,
                device=place,
            )
    if lazily:
        materialise(cast("Network", model), place, loaded=pretrained)
    if dtype is not None:
        model.to(dtype=dtype)
    if features_only:
        from zoo_core.features.wrap import wrap_features

        wanted = {"out_indices": out_indices, "feature_cls": feature_cls}
        chosen = {key: value for key, value in wanted.items() if value is not None}
        model.pretrained_cfg = model.default_cfg = default_cfg_for_features(cfg.to_dict())  # type: ignore[assignment]
        model = wrap_features(model, {**(feature_cfg or {}), **chosen})
    return model


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
        cfg = PretrainedCfg.from_dict(cfg)
    elif not isinstance(cfg, PretrainedCfg):
        raise ConfigError(f"expected a PretrainedCfg or a dict of its fields, not {type(cfg).__name__}: {cfg!r}")
    return cfg.overlaid(overlay) if overlay else cfg


def default_cfg_for_features(default_cfg: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a default config without what an extractor does not have: classes and classifier."""
    dropped = ("num_classes", "classifier", "label_offset", "label_names", "label_descriptions")
    return {key: value for key, value in default_cfg.items() if key not in dropped}


@cache
def _parameters(model_cls: Any) -> dict[str, inspect.Parameter]:
    return dict(list(inspect.signature(model_cls.__init__).parameters.items())[1:])


def _cfg_defaults(model_cls: type[nn.Module], cfg: PretrainedCfg) -> dict[str, Any]:
    """What the default config says of the network, where the network has the option."""
    parameters = _parameters(model_cls)  # type: ignore[arg-type] # mypy takes a module's __hash__ for its class's
    said = {"num_classes": cfg.num_classes, "in_chans": cfg.input_size[0]}
    return {key: value for key, value in said.items() if key in parameters}


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


def materialise(model: Network, device: torch.device, *, loaded: bool) -> None:
    """Give every tensor that is still on the meta device memory on `device`, and draw its values.

    Args:
        model: a network that was built as a blueprint.
        device: where its tensors go.
        loaded: draw only modules that lack something; what such a module has already is kept.
    """
    lacking: list[tuple[nn.Module, dict[str, Any], str, Tensor]] = []
    elsewhere: list[tuple[nn.Module, dict[str, Any], str, Tensor]] = []
    registry: dict[str, Any]
    for module in each_module(model):
        for registry in (module._parameters, module._buffers):
            for name, tensor in registry.items():
                if tensor is not None and (tensor.is_meta or tensor.device != device):
                    (lacking if tensor.is_meta else elsewhere).append((module, registry, name, tensor))
    for _, registry, name, old in (*lacking, *elsewhere):
        # Not `empty_like`, which on the meta device is written in Python.
        new = torch.empty(old.shape, dtype=old.dtype, device=device) if old.is_meta else old.to(device)
        registry[name] = nn.Parameter(new, old.requires_grad) if isinstance(old, nn.Parameter) else new
    # Asking a default device to be the default device would put a Python call before every one of torch's.
    with suspended(), torch.no_grad(), nullcontext() if device == torch.get_default_device() else device:
        if not loaded:
            model.init_weights()
            return
        drawn: dict[nn.Module, set[str]] = {}
        for module, _, name, _ in lacking:
            drawn.setdefault(module, set()).add(name)
        for module, names in drawn.items():
            kept = {name: tensor.clone() for name, tensor in _own_tensors(module) if name not in names}
            model.init_module(module)
            for name, tensor in kept.items():
                getattr(module, name).copy_(tensor)


def _own_tensors(module: nn.Module) -> list[tuple[str, Tensor]]:
    return [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
