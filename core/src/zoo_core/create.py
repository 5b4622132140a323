"""`create_model`: from a name to a model."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cache
from inspect import signature
from typing import TYPE_CHECKING, Any, Literal, overload

from zoo_core.building.resolve import resolve_default_cfg, resolve_model
from zoo_core.errors import OptionError, WeightsError
from zoo_core.hooks.manager import hook_manager
from zoo_core.registry import load_constructor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch
    from torch import nn

    from zoo_core.config import PretrainedCfg
    from zoo_core.features.extractor import FeatureExtractor
    from zoo_core.registry import FoundModel


@overload
def create_model(
    model_name: str,
    pretrained: bool = ...,
    *,
    num_classes: int | None = ...,
    in_chans: int | None = ...,
    global_pool: str | None = ...,
    drop_rate: float | None = ...,
    drop_path_rate: float | None = ...,
    features_only: Literal[False] | None = ...,
    pretrained_cfg: PretrainedCfg | Mapping[str, Any] | str | None = ...,
    pretrained_cfg_overlay: Mapping[str, Any] | None = ...,
    checkpoint_path: str | os.PathLike[str] | None = ...,
    cache_dir: str | os.PathLike[str] | None = ...,
    device: torch.device | str | None = ...,
    dtype: torch.dtype | str | None = ...,
    **options: Any,
) -> nn.Module: ...
@overload
def create_model(
    model_name: str,
    pretrained: bool = ...,
    *,
    features_only: Literal[True],
    out_indices: int | Sequence[int] | None = ...,
    feature_cls: str | type[nn.Module] | None = ...,
    output_fmt: str | None = ...,
    **options: Any,
) -> FeatureExtractor: ...
@overload
def create_model(
    model_name: str, pretrained: bool = ..., *, features_only: bool | None, **options: Any
) -> nn.Module: ...
def create_model(
    model_name: str,
    pretrained: bool = False,
    *,
    num_classes: int | None = None,
    in_chans: int | None = None,
    global_pool: str | None = None,
    drop_rate: float | None = None,
    drop_path_rate: float | None = None,
    features_only: bool | None = None,
    out_indices: int | Sequence[int] | None = None,
    feature_cls: str | type[nn.Module] | None = None,
    output_fmt: str | None = None,
    pretrained_cfg: PretrainedCfg | Mapping[str, Any] | str | None = None,
    pretrained_cfg_overlay: Mapping[str, Any] | None = None,
    checkpoint_path: str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | str | None = None,
    **options: Any,
) -> nn.Module:
    """Create a model by name.

    Examples:
        >>> import zoo_core as zoo
        >>> net = zoo.create_model("test_resnet.digits", pretrained=True, in_chans=1)

    Args:
        model_name: ``architecture[.tag]``, ``distribution/architecture[.tag]``, ``hf-hub:org/repo``
            or ``local-dir:path``.
        pretrained: load the weights of the tag, or of the architecture's default tag.
        num_classes: width of the logits; 0 for a network without a classifier.
        in_chans: channels of the images; pretrained filters are adapted to them.
        global_pool: how the last map is pooled: ``"avg"``, ``"max"``, ... or ``""`` for not at all.
        drop_rate: of the dropout before the classifier.
        drop_path_rate: of stochastic depth, in the last block.
        features_only: return a feature extractor, see `FeatureExtractor`.
        out_indices: its maps: indices, an int n for the last n; None for all.
        feature_cls: its wrapper, see `zoo_core.features.wrap.wrap_features`.
        output_fmt: the layout of its maps: ``"NCHW"`` (the default), ``"NHWC"`` or ``"NLC"``.
        pretrained_cfg: a default config instead of the tag's, or the name of another tag.
        pretrained_cfg_overlay: fields that replace those of the default config, for this call.
        checkpoint_path: a file to load weights from, adapted like pretrained ones: give its
            `num_classes` where they are not the default config's, or others to draw a fresh
            classifier.
        cache_dir: where downloaded weights are kept.
        device: where the model is built.
        dtype: of its floating-point tensors, or the name of one: ``"bfloat16"``.
        options: whatever else the architecture has. ``optimize`` is zoo-inference's. Of all
            options, None means the default.

    Returns:
        The model in training mode, as a freshly made module is.

    Raises:
        ConfigError: for a default config, given or of a repository, that cannot be used.
        UnknownModelError: for a name that no installed plugin offers, with the nearest ones.
        OptionError: for an option that the architecture does not have, with the nearest one, and
            for a value of a wrong type.
        WeightsError: when the weights do not exist, cannot be had or do not fit.
        FeatureError: for feature maps that do not exist.
    """
    common: dict[str, Any] = {
        "num_classes": num_classes,
        "in_chans": in_chans,
        "global_pool": global_pool,
        "drop_rate": drop_rate,
        "drop_path_rate": drop_path_rate,
        "features_only": _flag("features_only", features_only),
        "out_indices": out_indices,
        "feature_cls": feature_cls,
        "output_fmt": output_fmt,
    }
    _check_types({**common, "checkpoint_path": checkpoint_path, "cache_dir": cache_dir})
    pretrained = bool(_flag("pretrained", pretrained) or checkpoint_path)
    tag, override = (pretrained_cfg, None) if isinstance(pretrained_cfg, str) else (None, pretrained_cfg)
    model = resolve_model(model_name, tag, cache_dir=cache_dir)
    overlay = pretrained_cfg_overlay
    if checkpoint_path:  # timm's scripts pass "" for none
        overlay = {**(overlay or {}), "file": os.fspath(checkpoint_path)}
    cfg: PretrainedCfg | None = None
    placed: dict[str, Any] = {"cache_dir": cache_dir, "device": device, "dtype": dtype}
    if model.default_cfg is None and override is None:
        placed["pretrained_cfg_overlay"] = overlay  # of the config that the constructor itself may have
    else:
        placed["pretrained_cfg"] = cfg = resolve_default_cfg(model.default_cfg, override, overlay)
    options = {key: value for key, value in {**options, **common, **placed}.items() if value is not None}
    limits: AbstractContextManager[None] = nullcontext()
    if model.is_repository:
        from zoo_core.weights.hub.model_args import checked_options, modules_limited

        if pretrained and cfg is not None and not cfg.has_weights:
            raise WeightsError(f"{model_name} holds no file of weights, such as model.safetensors")
        options = {**checked_options(model.options, model_name, _callers_options()), **options}
        limits = modules_limited(model_name)
    hooks = hook_manager().hook
    finishing = hooks.zoo_before_create(found=model.found, pretrained=pretrained, options=options)
    with limits:
        net: nn.Module = load_constructor(model.found)(pretrained=pretrained, **options)
    with suppress(AttributeError):  # a plugin's constructor may return what it likes
        net.made_with = _made_with(model.found, options, cfg if pretrained else None)  # type: ignore[assignment] # plain
    hooks.zoo_after_create(found=model.found, pretrained=pretrained, model=net)
    for finish in finishing:
        net = finish(net)
    return net


def _flag(name: str, value: object) -> bool | None:
    """Return `value` as a bool; a number other than 0 and 1 was meant for something else."""
    if value is None or value in (True, False):
        return None if value is None else bool(value)
    hint = f"; did you mean num_classes={value}?" if type(value) is int and name == "pretrained" else ""
    raise OptionError(f"{name} is True or False, not {value!r}{hint}")


_TYPES: dict[str, tuple[str, tuple[type, ...]]] = {
    "global_pool": ("the name of a pooling, such as 'avg'", (str,)),
    "feature_cls": ("the name of a wrapper, or a class", (str, Callable)),  # type: ignore[dict-item] # it has instances
    "checkpoint_path": ("a path", (str, os.PathLike)),
    "cache_dir": ("a path", (str, os.PathLike)),
}
"""Options to what they are. What the network itself checks, such as counts, is not among them."""


def _check_types(options: Mapping[str, Any]) -> None:
    for name, (expected, types) in _TYPES.items():
        if (value := options[name]) is not None and not isinstance(value, types):
            raise OptionError(f"{name} is {expected}, not {value!r}")


def _made_with(found: FoundModel, options: Mapping[str, Any], weights: PretrainedCfg | None) -> dict[str, Any]:
    """Return what a model carries of its making, plain data, see `zoo_core.save_for_hub`.

    Returns:
        ``architecture``, qualified; ``options`` of the network; ``weights`` that it began with:
        name, licence, Hub id.
    """
    made: dict[str, Any] = {
        "architecture": f"{found.distribution}/{found.architecture}",
        "options": {name: value for name, value in options.items() if name not in _callers_options()},
    }
    if weights is not None and not weights.file:
        made["weights"] = {"name": weights.model_name, "license": weights.license, "hf_hub_id": weights.hf_hub_id}
    return made


@cache
def _callers_options() -> frozenset[str]:
    """Return options of `create_model`, its hooks and the builder: no repository may set them."""
    from zoo_core.building.build import build_model_with_cfg

    own = [*signature(create_model).parameters, *signature(build_model_with_cfg).parameters]
    return frozenset({*own, "optimize"}) - {"options", *_OF_THE_NETWORK}


_OF_THE_NETWORK = ("num_classes", "in_chans", "global_pool", "drop_rate", "drop_path_rate")
"""Parameters of `create_model` that it names for editors alone: the network has them."""
