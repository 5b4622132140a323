"""Constructors of timm's architectures: timm builds the network, Zoo brings the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zoo_core.building.build import describe
from zoo_core.building.materialise import building, complete
from zoo_core.building.options import call_library, resolve_dtype
from zoo_core.building.resolve import default_cfg_for_features, resolve_default_cfg
from zoo_core.errors import FeatureError, OptionError, WeightsError
from zoo_core.registry import find_model, find_pretrained_cfg

from zoo_timm.weights import loading

if TYPE_CHECKING:
    import os

    import torch
    from torch import nn
    from zoo_core.config import PretrainedCfg

_OF_FEATURES = ("out_indices", "feature_cls", "output_fmt", "state_dict_names")
_COMMON = ("num_classes", "in_chans", "global_pool", "drop_rate", "drop_path_rate", "img_size", "features_only")
_FORMATS = ("NCHW", "NHWC", "NCL", "NLC")
_ZOOS_OWN = frozenset({"sha256", "size", "metrics"})  # fields that timm's config has not


def build(
    architecture: str,
    pretrained: bool = False,
    *,
    pretrained_cfg: PretrainedCfg | Mapping[str, Any] | None = None,
    pretrained_cfg_overlay: Mapping[str, Any] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    mmap: bool | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | str | None = None,
    **options: Any,
) -> nn.Module:
    """Build timm's network of an architecture, without drawing values that weights replace.

    Args:
        architecture: a name of timm's.
        pretrained: load the weights that the default config names.
        pretrained_cfg: used instead of the default one.
        pretrained_cfg_overlay: fields that replace those of the default config.
        cache_dir: the folder of downloaded weights.
        mmap: map the weights' file instead of copying it; by default only files in caches.
        device: of the model.
        dtype: of its floating-point tensors.
        options: timm's, as ``timm.create_model`` takes them: ``features_only=True`` yields timm's
            own wrapper of feature maps, with timm's keys, for which ``output_fmt`` chooses another
            layout.

    Raises:
        OptionError: for an option that the architecture does not have.
        FeatureError: for feature maps or a layout that it does not have.
        WeightsError: for weights that cannot be had or do not fit.
    """
    cfg = resolve_default_cfg(_published(architecture), pretrained_cfg, pretrained_cfg_overlay)
    if pretrained and not cfg.has_weights:
        raise WeightsError(f"there are no pretrained weights for {architecture}; create it with pretrained=False")
    dtype, layout = resolve_dtype(dtype), _layout(architecture, options)
    options = {key: value for key, value in options.items() if value is not None}
    from timm.models import model_entrypoint

    make = model_entrypoint(architecture)
    with building(device) as deferral, loading(cfg, cache_dir=cache_dir, mmap=mmap, give=deferral.give):
        given: dict[str, Any] = {"pretrained": pretrained, "pretrained_cfg": timms_config(cfg)}
        model = call_library(architecture, make, _COMMON, **given, **options)
    complete(model, deferral, device, dtype)
    if options.get("features_only"):
        if layout:
            from timm.layers.format import Format

            model.output_fmt = Format(layout)  # type: ignore[assignment] # a plain attribute
        model.pretrained_cfg = model.default_cfg = default_cfg_for_features(cfg)  # type: ignore[assignment] # plain data
    else:
        describe(model, cfg)
    return model


def timms_config(cfg: PretrainedCfg) -> dict[str, Any]:
    """Return a default config as timm reads it. Where weights come from is Zoo's affair."""
    return {key: value for key, value in cfg.to_dict().items() if key not in _ZOOS_OWN}


def _published(architecture: str) -> PretrainedCfg | dict[str, Any]:
    return find_pretrained_cfg(find_model(f"zoo-timm/{architecture}")) or {"architecture": architecture}


def _layout(architecture: str, options: dict[str, Any]) -> str | None:
    """Take what timm lacks out of the options, and choose the wrapper for the wanted layout.

    timm's wrappers of single modules yield what those yield; the one by ``forward_intermediates``
    converts.
    """
    for name in _OF_FEATURES:
        if options.get(name) is not None and not options.get("features_only"):
            raise OptionError(f"{architecture}: {name} needs features_only=True")
    if (names := options.pop("state_dict_names", None)) not in (None, "timm"):
        raise OptionError(f"state_dict_names {names!r}: extractors of zoo-timm are timm's, with the keys of 'timm'")
    layout: str | None = options.pop("output_fmt", None)
    if layout is None:
        return None
    if layout not in _FORMATS:
        raise FeatureError(f"output_fmt {layout!r}: expected one of {', '.join(_FORMATS)}")
    if options.setdefault("feature_cls", "getter") != "getter":
        raise FeatureError(f"output_fmt {layout!r} needs feature_cls='getter', not {options['feature_cls']!r}")
    return layout
