"""Build one model: the order of the steps."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from zoo_core.building.materialise import building, complete
from zoo_core.building.options import feature_options, network_options, resolve_dtype, split_options
from zoo_core.building.resolve import default_cfg_for_features, resolve_default_cfg
from zoo_core.errors import WeightsError
from zoo_core.network.infer import completed

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

    import torch
    from torch import nn

    from zoo_core.config import PretrainedCfg
    from zoo_core.weights.loading.assign import Give
    from zoo_core.weights.loading.load import FilterFn


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep the garbage collector from looking at many new objects, none of them garbage.

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
    output_fmt: str | None = None,
    state_dict_names: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    mmap: bool | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | str | None = None,
    **options: Any,
) -> nn.Module:
    """Build one model, as a constructor does.

    Args:
        model_cls: the network's class.
        variant: the architecture's name.
        pretrained: load the weights that the default config names.
        default_cfg: the architecture's default config.
        model_cfg: the network's configuration, its first argument; `options` that are its fields
            replace them.
        feature_cfg: options of the feature wrapper.
        pretrained_strict: raise where a key of the weights or of the network has no counterpart.
        pretrained_filter_fn: ``(state_dict, model) -> state_dict`` with the model's keys.
        pretrained_custom_load: call ``model.load_pretrained(path)`` instead of filling a state
            dict.
        pretrained_cfg: used instead of `default_cfg`.
        pretrained_cfg_overlay: fields that replace those of the default config, for this call.
        pruned: shapes of the state dict to narrow the network to, see `zoo_core.building.narrow`.
        features_only: return a feature extractor.
        out_indices: indices of the maps that it yields.
        feature_cls: the wrapper that makes it.
        output_fmt: the layout of its maps, "NCHW" by default.
        state_dict_names: "timm" gives its state dict the keys of timm's extractors.
        cache_dir: the folder of downloaded weights.
        mmap: map the weights' file instead of copying it; by default only files in caches and
            packages.
        device: of the model; by default the current default device.
        dtype: of its floating-point tensors, or the name of one: ``"bfloat16"``.
        options: the network's own: ``num_classes``, ``in_chans``, ``drop_rate``, ...

    Raises:
        ConfigError: for a default config that cannot be, see `resolve_default_cfg`.
        OptionError: for an option that the network does not have, with the nearest one.
        WeightsError: see `load_weights`.
        FeatureError: for feature maps that do not exist.
        PluginError: for a network that leaves a parameter or buffer as memory happened to be.
    """
    cfg = resolve_default_cfg(default_cfg or {"architecture": variant}, pretrained_cfg, pretrained_cfg_overlay)
    dtype = resolve_dtype(dtype)
    chosen = feature_options(
        variant,
        features_only,
        out_indices=out_indices,
        feature_cls=feature_cls,
        output_fmt=output_fmt,
        state_dict_names=state_dict_names,
    )
    options = network_options(model_cls, cfg, options, features_only=features_only, model_cfg=model_cfg)
    arguments, options = split_options(model_cls, variant, model_cfg, options)
    with building(device) as deferral:
        model = model_cls(*arguments, **options)
        if pruned is not None:
            from zoo_core.building.narrow import adapt_model_to_state_dict

            adapt_model_to_state_dict(model, pruned)
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
                give=deferral.give,
            )
    complete(model, deferral, device, dtype)
    return wrap(model, feature_cfg, **chosen) if features_only else model


def describe(model: nn.Module, cfg: PretrainedCfg) -> PretrainedCfg:
    """Complete a default config by what follows from the network, and let the network carry it."""
    model.pretrained_cfg = model.default_cfg = cfg = completed(model, cfg)  # type: ignore[assignment] # plain data
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
    give: Give | None = None,
) -> None:
    """Load the weights that a default config names; arguments as for `build_model_with_cfg`.

    Raises:
        WeightsError: if there are none, or see `zoo_core.weights.loading.load.load_pretrained`.
    """
    from zoo_core.weights.files.detect import WEIGHT_SUFFIXES
    from zoo_core.weights.loading.assign import copy_each
    from zoo_core.weights.loading.load import load_custom_pretrained, load_pretrained

    _require_weights(variant, cfg)
    # The network's own loader reads the format of its published weights, not a user's checkpoint.
    if (custom or cfg.custom_load) and not (cfg.file and cfg.file.endswith(WEIGHT_SUFFIXES)):
        load_custom_pretrained(model, cfg, cache_dir=cache_dir)
    else:
        load_pretrained(
            model, cfg, filter_fn=filter_fn, strict=strict, cache_dir=cache_dir, mmap=mmap, give=give or copy_each
        )


def wrap(model: nn.Module, feature_cfg: Mapping[str, Any] | None = None, **chosen: Any) -> nn.Module:
    """Make a feature extractor of a network.

    Args:
        model: the network.
        feature_cfg: options of the wrapper.
        chosen: the caller's, which replace these where they are not None.
    """
    from zoo_core.features.wrap import wrap_features

    options = {**(feature_cfg or {}), **{key: value for key, value in chosen.items() if value is not None}}
    model.pretrained_cfg = model.default_cfg = default_cfg_for_features(model.default_cfg)  # type: ignore[assignment, arg-type]
    return wrap_features(model, options)


def _require_weights(variant: str, cfg: PretrainedCfg) -> None:
    if cfg.has_weights:
        return
    from zoo_core.registry import list_pretrained

    tags = list_pretrained(f"{variant}.*")
    wanted = f"{variant}.{cfg.tag}" if cfg.tag else variant
    remedy = f"; there are for {', '.join(tags)}" if tags else "; create it with pretrained=False"
    raise WeightsError(f"there are no pretrained weights for {wanted}{remedy}")
