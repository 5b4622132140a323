"""Narrow a network to the widths of pruned weights, from their shapes alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from zoo_core.errors import WeightsError
from zoo_core.network.infer import find_classifier, find_first_conv
from zoo_core.network.meta import on_meta

if TYPE_CHECKING:
    import os

Net = TypeVar("Net", bound=nn.Module)
Shapes = Mapping[str, Sequence[int]]

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm)


def adapt_model_to_state_dict(model: Net, shapes: Shapes) -> Net:
    """Narrow each convolution, norm and linear layer of `model`, in place, to given shapes.

    The image's channels and the classes stay the model's own: only what lies between was pruned.
    Layers that change get fresh values, since weights are loaded next. The model's ``feature_info``
    and ``num_features`` follow.

    Args:
        model: a network of the unpruned architecture.
        shapes: key of the state dict to shape.

    Returns:
        The model.

    Raises:
        WeightsError: when a layer of the shapes is not in the model, or is no convolution, norm or
            linear layer.
    """
    modules = dict(model.named_modules())
    first_conv, classifier = find_first_conv(model), find_classifier(model)
    for key, shape in shapes.items():
        name, _, tensor = key.rpartition(".")
        if tensor != "weight" or isinstance(modules.get(name), nn.Identity):
            continue
        if name not in modules:
            raise WeightsError(f"cannot prune {type(model).__name__}: it has no module {name!r}")
        _narrow(name, modules[name], list(shape), keep_in=name == first_conv, keep_out=name == classifier)
    _refresh_channels(model)
    return model


def adapt_model_from_string(model: Net, shapes: str) -> Net:
    """Narrow to shapes in the published form ``key:[64, 3, 3, 3]***key:[64]***...``.

    Raises:
        WeightsError: for a string of another form.
    """
    parsed: dict[str, list[int]] = {}
    for entry in shapes.strip().split("***"):
        key, colon, shape = entry.partition(":")
        try:
            if not colon:
                raise ValueError
            parsed[key.strip()] = [int(size) for size in shape.strip().strip("[]").split(",") if size.strip()]
        except ValueError:
            raise WeightsError(f"malformed shape {entry[:80]!r}: expected 'key:[64, 3, 3, 3]'") from None
    return adapt_model_to_state_dict(model, parsed)


def adapt_model_from_file(model: Net, path: str | os.PathLike[str]) -> Net:
    """Narrow to the shapes in a file: JSON of key to shape, or the published string."""
    text = Path(path).read_text(encoding="utf-8")
    if text.lstrip().startswith("{"):
        return adapt_model_to_state_dict(model, json.loads(text))
    return adapt_model_from_string(model, text)


def _narrow(name: str, module: nn.Module, shape: list[int], *, keep_in: bool, keep_out: bool) -> None:
    if isinstance(module, _CONVOLUTIONS):
        depthwise = module.groups == module.in_channels > 1
        out_channels = module.out_channels if keep_out else shape[0]
        groups = out_channels if depthwise else module.groups
        module.in_channels = module.in_channels if keep_in else shape[1] * groups
        module.out_channels, module.groups = out_channels, groups
        _resize(module, "weight", [out_channels, module.in_channels // groups, *module.kernel_size])
        _resize(module, "bias", [out_channels])
    elif isinstance(module, nn.Linear):
        module.in_features = shape[1]
        module.out_features = module.out_features if keep_out else shape[0]
        _resize(module, "weight", [module.out_features, module.in_features])
        _resize(module, "bias", [module.out_features])
    elif isinstance(module, _NORMS):
        if isinstance(module, nn.GroupNorm):
            module.num_channels = shape[0]
        else:
            module.num_features = shape[0]
        for tensor in ("weight", "bias", "running_mean", "running_var"):
            _resize(module, tensor, shape)
    else:
        raise WeightsError(f"cannot prune {name!r}, a {type(module).__name__}: only convolutions, norms, linear layers")


def _resize(module: nn.Module, name: str, shape: Sequence[int]) -> None:
    old = getattr(module, name, None)
    if old is None or list(old.shape) == list(shape):
        return
    new = torch.empty(shape, dtype=old.dtype, device=old.device)
    setattr(module, name, nn.Parameter(new, old.requires_grad) if isinstance(old, nn.Parameter) else new)
    if not new.is_meta:
        module.reset_parameters()  # type: ignore[operator] # every type that `_narrow` takes has it


def _refresh_channels(model: nn.Module) -> None:
    """Read the channels of the maps off a forward on the meta device."""
    classifier = getattr(model, "get_classifier", lambda: None)()
    if isinstance(classifier, nn.Linear):
        model.num_features = model.head_hidden_size = classifier.in_features  # type: ignore[assignment]
    forward = getattr(model, "forward_intermediates", None)
    first = find_first_conv(model)
    if not callable(forward) or first is None:
        return
    channels: Any = model.get_submodule(first).in_channels
    training, images = model.training, torch.empty(1, channels, 64, 64, device="meta")
    with on_meta(model.eval()):
        features, maps = forward(images)
    model.train(training)
    table: Any = model.feature_info
    widths = (one.shape[1] for one in maps)
    model.feature_info = [{**entry, "num_chs": width} for entry, width in zip(table, widths, strict=True)]  # type: ignore[assignment]
    # The head's width follows the features, whatever its pooling and classes.
    model.num_features = features.shape[1]
    if callable(reset := getattr(model, "reset_classifier", None)):
        reset(model.num_classes)
