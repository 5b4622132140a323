"""The names of ``timm.models`` and of its helper modules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

import zoo_core
from torch import nn
from torch.utils.checkpoint import checkpoint as torch_checkpoint
from zoo_core import (
    FeatureDictNet,
    FeatureGetterNet,
    FeatureGraphNet,
    FeatureHookNet,
    FeatureInfo,
    FeatureListNet,
    PretrainedCfg,
    adapt_model_from_file,
    adapt_model_from_string,
    build_model_with_cfg,
    create_feature_extractor,
    get_arch_name,
    load_custom_pretrained,
    split_model_name_tag,
)
from zoo_core.features.indices import feature_indices
from zoo_core.names import parse_model_name as parse_zoo_name
from zoo_core.weights.loading.adapt import adapt_input_conv as adapt_zoo_conv

from zoo_compat.names.flags import (
    get_notrace_functions,
    get_notrace_modules,
    is_exportable,
    is_no_jit,
    is_scriptable,
    set_exportable,
    set_layer_config,
    set_no_jit,
    set_scriptable,
)
from zoo_compat.names.top import (
    create_model,
    get_pretrained_cfg,
    get_pretrained_cfg_value,
    is_model,
    is_model_in_modules,
    is_model_pretrained,
    list_models,
    list_modules,
    list_pretrained,
    model_entrypoint,
    register_model,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence

    import torch
    from torch import Tensor

DefaultCfg = PretrainedCfg
_PREFIXES = re.compile(r"^(module\.)?(_orig_mod\.)?")

__all__ = [
    "DefaultCfg",
    "FeatureDictNet",
    "FeatureGetterNet",
    "FeatureGraphNet",
    "FeatureHookNet",
    "FeatureInfo",
    "FeatureListNet",
    "PretrainedCfg",
    "adapt_input_conv",
    "adapt_model_from_file",
    "adapt_model_from_string",
    "build_model_with_cfg",
    "checkpoint",
    "checkpoint_seq",
    "clean_state_dict",
    "create_feature_extractor",
    "create_model",
    "feature_take_indices",
    "get_arch_name",
    "get_notrace_functions",
    "get_notrace_modules",
    "get_pretrained_cfg",
    "get_pretrained_cfg_value",
    "group_modules",
    "group_parameters",
    "group_with_matcher",
    "is_exportable",
    "is_model",
    "is_model_in_modules",
    "is_model_pretrained",
    "is_no_jit",
    "is_scriptable",
    "list_models",
    "list_modules",
    "list_pretrained",
    "load_checkpoint",
    "load_custom_pretrained",
    "load_pretrained",
    "load_state_dict",
    "model_entrypoint",
    "model_parameters",
    "named_apply",
    "named_modules",
    "parse_model_name",
    "push_to_hf_hub",
    "register_model",
    "resume_checkpoint",
    "safe_model_name",
    "save_for_hf",
    "set_exportable",
    "set_layer_config",
    "set_no_jit",
    "set_scriptable",
    "split_model_name_tag",
]


def load_state_dict(
    checkpoint_path: str | os.PathLike[str],
    use_ema: bool = True,
    device: str | torch.device = "cpu",
    weights_only: bool = True,
) -> dict[str, Any]:
    """Return the state dict of a file, on `device`; code in a file never runs.

    Raises:
        WeightsError: for ``weights_only=False`` on a file that needs it, as for any unsafe file.
    """
    state_dict = zoo_core.load_state_dict(checkpoint_path, use_ema)
    return {key: value.to(device) for key, value in state_dict.items()}


def load_checkpoint(
    model: nn.Module,
    checkpoint_path: str | os.PathLike[str],
    use_ema: bool = True,
    device: str | torch.device = "cpu",
    strict: bool = True,
    remap: bool = False,
    filter_fn: Callable[..., Any] | None = None,
    weights_only: bool = True,
) -> Any:
    """Load a file into a model.

    Args:
        model: whose values are replaced.
        checkpoint_path: the file.
        use_ema: take the exponential moving average where the file has one.
        device: of the file's tensors meanwhile; the model stays where it is.
        strict: False lets keys be missing or too many.
        remap: name the file's tensors as the model's, by their order and shapes.
        filter_fn: ``(state_dict, model)`` or ``(state_dict)``, to a state dict with its keys.
        weights_only: code in a file never runs, whatever is given.

    Raises:
        WeightsError: when the file cannot be read or does not fit; the model is as it was then.
    """
    if remap:
        filter_fn = _remapped
    zoo_core.load_checkpoint(model, checkpoint_path, use_ema=use_ema, strict=strict, filter_fn=filter_fn)
    return None


def resume_checkpoint(
    model: nn.Module,
    checkpoint_path: str | os.PathLike[str],
    optimizer: Any = None,
    loss_scaler: Any = None,
    log_info: bool = True,
    weights_only: bool = True,
) -> int | None:
    """Resume a training, and return its epoch; see `zoo_core.resume_checkpoint`."""
    return zoo_core.resume_checkpoint(model, checkpoint_path, optimizer, loss_scaler)


def load_pretrained(
    model: nn.Module,
    pretrained_cfg: Mapping[str, Any] | PretrainedCfg | None = None,
    num_classes: int = 1000,
    in_chans: int = 3,
    filter_fn: Callable[..., Any] | None = None,
    strict: bool = True,
    cache_dir: str | os.PathLike[str] | None = None,
) -> None:
    """Load a default config's weights; classes and channels are read off the model."""
    zoo_core.load_pretrained(model, pretrained_cfg, filter_fn=filter_fn, strict=strict, cache_dir=cache_dir)


def _remapped(state_dict: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    own = model.state_dict()
    return {
        key: value if value.ndim == wanted.ndim else value.reshape(wanted.shape)
        for (key, wanted), value in zip(own.items(), state_dict.values(), strict=True)
    }


def adapt_input_conv(in_chans: int, conv_weight: Tensor, base_chans: int = 3) -> Tensor:
    """Adapt a convolution's weight (out, base_chans, h, w) to images of `in_chans` channels."""
    return adapt_zoo_conv(conv_weight, in_chans, base_chans)


def clean_state_dict(state_dict: Mapping[str, Any]) -> dict[str, Any]:
    """Take the prefixes of wrappers (``module.``, ``_orig_mod.``) off the keys."""
    return {_PREFIXES.sub("", key): value for key, value in state_dict.items()}


def safe_model_name(model_name: str, remove_source: bool = True) -> str:
    """Return a model's name as a file's: letters and digits stay, the rest becomes ``_``."""
    name = parse_model_name(model_name)[1] if remove_source else model_name
    return "".join(letter if letter.isalnum() else "_" for letter in name).rstrip("_")


def parse_model_name(model_name: str) -> tuple[str | None, str]:
    """Split ``hf-hub:org/repo`` and ``local-dir:path`` into scheme and place."""
    name = parse_zoo_name(model_name)
    return (name.scheme or None, model_name.partition(":")[2] if name.scheme else model_name)


def feature_take_indices(num_features: int, indices: int | Sequence[int] | None = None) -> tuple[list[int], int]:
    """Return the wanted indices, counted from the beginning, and the largest of them."""
    wanted = feature_indices(indices, num_features)
    return list(wanted), max(wanted)


def named_apply(
    fn: Callable[..., Any],
    module: nn.Module,
    name: str = "",
    depth_first: bool = True,
    include_root: bool = False,
) -> nn.Module:
    """Call ``fn(module=..., name=...)`` for every module below `module`; return `module`."""
    if not depth_first and include_root:
        fn(module=module, name=name)
    for child_name, child in module.named_children():
        path = f"{name}.{child_name}" if name else child_name
        named_apply(fn, child, path, depth_first, include_root=True)
    if depth_first and include_root:
        fn(module=module, name=name)
    return module


def named_modules(
    module: nn.Module, name: str = "", depth_first: bool = True, include_root: bool = False
) -> Iterable[tuple[str, nn.Module]]:
    """Yield (name, module) of every module below `module`, children before parents."""
    found: list[tuple[str, nn.Module]] = []
    named_apply(lambda module, name: found.append((name, module)), module, name, depth_first, include_root)
    return iter(found)


def model_parameters(model: nn.Module, exclude_head: bool = False) -> Iterable[nn.Parameter]:
    """Return the parameters, without the last two where `exclude_head`: the classifier's."""
    return [*model.parameters()][:-2] if exclude_head else model.parameters()


def group_with_matcher(
    named_objects: Iterable[tuple[str, Any]],
    group_matcher: Mapping[str, Any] | Callable[[str], Any],
    return_values: bool = False,
    reverse: bool = False,
) -> Any:
    """Group named objects into layers, numbered from the input's on.

    Args:
        named_objects: (name, object) pairs.
        group_matcher: a function from name to layer, or a dict of a layer's kind to patterns (with
            the place of a number in parentheses), as timm's ``model.group_matcher()`` yields.
        return_values: group the objects instead of their names.
        reverse: return a dict of name to number instead.
    """
    ordinal = group_matcher if callable(group_matcher) else _by_patterns(group_matcher)
    groups: dict[Any, list[Any]] = {}
    for name, value in named_objects:
        place = ordinal(name)
        place = tuple(map(float, place)) if isinstance(place, tuple | list) else (float(place),)
        groups.setdefault(place, []).append(value if return_values else name)
    ordered = [groups[place] for place in sorted(groups)]
    if reverse:
        return {name: layer for layer, names in enumerate(ordered) for name in names}
    return dict(enumerate(ordered))


def _by_patterns(matcher: Mapping[str, Any]) -> Callable[[str], Any]:
    patterns: list[tuple[int, re.Pattern[str], tuple[float, ...]]] = []
    for kind, (_, given) in enumerate(matcher.items()):
        for one in [(given, None)] if isinstance(given, str) else given:
            pattern, suffix = one if isinstance(one, tuple | list) else (one, None)
            patterns.append((kind, re.compile(pattern), tuple(suffix or ())))

    def ordinal(name: str) -> tuple[float, ...]:
        for kind, pattern, suffix in patterns:
            if found := pattern.match(name):
                numbers = [float(group) for group in chain(found.groups(), suffix) if group is not None]
                return tuple(numbers) if suffix and numbers and suffix[0] >= _HEAD else (kind, *numbers)
        return (float("inf"),)

    return ordinal


_HEAD = 99_999  # timm's number for what comes after all blocks


def group_parameters(module: nn.Module, group_matcher: Any, return_values: bool = False, reverse: bool = False) -> Any:
    """Group a network's parameters into layers; see `group_with_matcher`."""
    return group_with_matcher(module.named_parameters(), group_matcher, return_values, reverse)


def group_modules(module: nn.Module, group_matcher: Any, return_values: bool = False, reverse: bool = False) -> Any:
    """Group a network's modules that have parameters into layers; see `group_with_matcher`."""
    owners = ((name, child) for name, child in named_modules(module) if child._parameters)
    return group_with_matcher(owners, group_matcher, return_values, reverse)


def checkpoint(function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None, **kwargs: Any) -> Any:
    """Run a function whose activations the backward pass computes again."""
    return torch_checkpoint(function, *args, use_reentrant=bool(use_reentrant), **kwargs)


def checkpoint_seq(
    functions: Any,
    x: Any,
    every: int = 1,
    flatten: bool = False,
    skip_last: bool = False,
    use_reentrant: bool | None = None,
) -> Any:
    """Run modules one after another, the backward pass computing `every` of them again at once.

    Args:
        functions: modules, an `nn.Sequential`, or several of those with `flatten`.
        x: the first one's input.
        every: how many make one segment.
        flatten: `functions` holds sequences.
        skip_last: keep the activations of the last segment.
        use_reentrant: as torch's ``checkpoint``.
    """
    steps = list(functions.children() if isinstance(functions, nn.Sequential) else functions)
    if flatten:
        steps = [step for each in steps for step in each]
    segments = [steps[start : start + every] for start in range(0, len(steps), every)]
    for segment in segments:
        run = nn.Sequential(*segment) if all(isinstance(step, nn.Module) for step in segment) else _chained(segment)
        last = segment is segments[-1] and skip_last
        x = run(x) if last else checkpoint(run, x, use_reentrant=use_reentrant)
    return x


def _chained(steps: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        for step in steps:
            x = step(x)
        return x

    return run


def save_for_hf(model: nn.Module, save_directory: str | os.PathLike[str], **options: Any) -> None:
    """Save a model as a Hub repository; options that Zoo's `save_for_hub` takes."""
    zoo_core.save_for_hub(model, save_directory, **options)


def push_to_hf_hub(model: nn.Module, repo_id: str, **options: Any) -> str:
    """Upload a model as a Hub repository; options that Zoo's `push_to_hub` takes."""
    return str(zoo_core.push_to_hub(model, repo_id, **options))
