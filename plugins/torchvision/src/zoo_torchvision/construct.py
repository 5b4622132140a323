"""Constructors of torchvision's classifiers: torchvision builds the network, Zoo does the rest."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import nn
from zoo_core.building.build import describe, load_weights, wrap
from zoo_core.building.materialise import building, complete
from zoo_core.building.options import call_library, feature_options, resolve_dtype
from zoo_core.building.resolve import resolve_default_cfg
from zoo_core.errors import OptionError
from zoo_core.registry import find_model, find_pretrained_cfg

from zoo_torchvision.traits import converter_of, options_of

if TYPE_CHECKING:
    import os

    import torch
    from zoo_core.config import PretrainedCfg

_COMMON = ("num_classes", "in_chans", "dropout", "norm_layer", "features_only", "out_indices", "stochastic_depth_prob")


def build(
    architecture: str,
    pretrained: bool = False,
    *,
    pretrained_cfg: PretrainedCfg | Mapping[str, Any] | None = None,
    pretrained_cfg_overlay: Mapping[str, Any] | None = None,
    num_classes: int | None = None,
    in_chans: int | None = None,
    features_only: bool = False,
    out_indices: int | tuple[int, ...] | None = None,
    feature_cls: str | type[nn.Module] | None = None,
    output_fmt: str | None = None,
    state_dict_names: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    mmap: bool | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | str | None = None,
    **options: Any,
) -> nn.Module:
    """Build torchvision's network of an architecture, without drawing values that weights replace.

    Args:
        architecture: a name of torchvision's.
        pretrained: load the weights that the default config names.
        pretrained_cfg: used instead of the default one.
        pretrained_cfg_overlay: fields that replace those of the default config.
        num_classes: width of the logits, by default the config's.
        in_chans: channels of the images, by default the config's.
        features_only: return a feature extractor.
        out_indices: indices of the maps that it yields.
        feature_cls: the wrapper that makes it.
        output_fmt: the layout of its maps; by default what each module yields.
        state_dict_names: "timm" gives its state dict the keys of timm's extractors.
        cache_dir: the folder of downloaded weights.
        mmap: map the weights' file instead of copying it; by default only files in caches.
        device: of the model.
        dtype: of its floating-point tensors.
        options: torchvision's own, such as ``dropout`` or ``norm_layer``.

    Raises:
        OptionError: for an option that the architecture does not have.
        FeatureError: for feature maps that it does not have.
        WeightsError: for weights that cannot be had or do not fit.
    """
    found = find_model(f"zoo-torchvision/{architecture}")
    cfg = resolve_default_cfg(find_pretrained_cfg(found) or {}, pretrained_cfg, pretrained_cfg_overlay)
    chosen = feature_options(
        architecture,
        features_only,
        out_indices=out_indices,
        feature_cls=feature_cls,
        output_fmt=output_fmt,
        state_dict_names=state_dict_names,
    )
    dtype = resolve_dtype(dtype)
    classes = cfg.num_classes if num_classes is None else _count("num_classes", num_classes, 1)
    channels = cfg.input_size[0] if in_chans is None else _count("in_chans", in_chans, 1)
    own = options_of(architecture, cfg, pretrained) | options
    from torchvision.models import get_model_builder

    make = partial(get_model_builder(architecture), weights=None)
    with building(device) as deferral:
        model = call_library(architecture, make, _COMMON, num_classes=classes, **own)
        if channels != 3:
            _set_channels(model, str(cfg.first_conv), channels)
        facts = found.manifest.facts.get(architecture, {})
        model.num_classes, model.feature_info = classes, _maps(facts, known_layouts=output_fmt is not None)  # type: ignore[assignment] # plain data
        if output_fmt is not None:
            model.num_prefix_tokens = int(hasattr(model, "class_token"))  # type: ignore[assignment] # as above
        cfg = describe(model, cfg)
        if pretrained:
            convert = converter_of(model)
            give = deferral.give
            load_weights(model, architecture, cfg, filter_fn=convert, cache_dir=cache_dir, mmap=mmap, give=give)
    complete(model, deferral, device, dtype)
    return wrap(model, **chosen) if features_only else model


def _set_channels(model: nn.Module, name: str, channels: int) -> None:
    """Replace the first convolution by one for images of other channels."""
    old: Any = model.get_submodule(name)
    fields = ("out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "padding_mode")
    options = {field: getattr(old, field) for field in fields}
    model.set_submodule(name, nn.Conv2d(channels, bias=old.bias is not None, **options))


def _maps(facts: Mapping[str, Any], *, known_layouts: bool) -> list[dict[str, Any]]:
    """Return the table of feature maps that the facts of an architecture name.

    A wrapper leaves maps as they are unless it knows their layouts.
    """
    columns = (facts.get(column, ()) for column in ("channels", "reductions", "modules"))
    rows = [
        {"num_chs": channels, "reduction": reduction, "module": module}
        for channels, reduction, module in zip(*columns, strict=True)
    ]
    if known_layouts and (layouts := facts.get("layouts")):
        for index, row in enumerate(rows):
            row["layout"] = layouts if isinstance(layouts, str) else layouts[index]
    return rows


def _count(name: str, count: object, least: int) -> int:
    if type(count) is not int or count < least:
        raise OptionError(f"{name} {count!r}: a whole number, at least {least}")
    return count
