"""The look at a module before it is wrapped: its arguments, its images and its output."""

from __future__ import annotations

import dataclasses
import inspect
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized
from zoo_core.errors import OptionError, PluginError

from zoo_kit.scaffold.walk import Walk, find_walk

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo_kit.scaffold.original import Original

SIZES = (224, 32, 28, 64, 128, 256, 299, 384)
"""Image sizes to try in turn, if neither the user nor an argument gives one."""
SIZE_ARGUMENTS = ("img_size", "image_size", "input_size", "resolution", "input_resolution")
CLASSES = ("num_classes", "n_classes", "nclasses", "classes", "num_class", "class_num", "num_outputs", "out_features")
CHANNELS = (
    "in_chans",
    "in_channels",
    "input_channels",
    "channels",
    "num_channels",
    "n_channels",
    "in_ch",
    "img_channels",
)
"""Arguments that Zoo has for every network under another name; the configuration omits them."""
BY_HAND = "write forward_stages by hand, into the network that `zoo new NAME` makes"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Images:
    """The images that a module takes, and the number of its logits."""

    channels: int
    height: int
    width: int
    classes: int
    fixed: bool
    """True if the module takes no images that are 32 pixels larger."""


def arguments_of(original: Original) -> tuple[dict[str, Any], list[str]]:
    """Return the defaults of the arguments that may be options, and the names of the others.

    Raises:
        OptionError: for an argument without a default.
    """
    chosen: dict[str, Any] = {}
    left_out = []
    for name, parameter in inspect.signature(original.build).parameters.items():
        default = parameter.default
        if parameter.kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL):
            continue
        if default is inspect.Parameter.empty:
            remedy = "give it a default in the file" if original.path else "name a function that needs no arguments"
            raise OptionError(f"{original.name} needs its argument {name!r}: {remedy}")
        if name in (*CLASSES, *CHANNELS):
            continue
        if _others(default) and parameter.kind is not inspect.Parameter.POSITIONAL_ONLY:
            chosen[name] = tuple(default) if isinstance(default, list) else default
        else:
            left_out.append(name)
    return chosen, left_out


def _others(value: Any) -> list[Any]:
    """Return other values that an argument may take; none if its default is no guide."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [2 * value, value + 1]
    if isinstance(value, float):
        return [value / 2 if value else 0.5]
    if isinstance(value, list | tuple) and value and all(type(item) in (int, float) for item in value):
        return [[2 * item for item in value], list(value[:-1]), [*value, value[-1]]]
    return []


def is_free(original: Original, name: str, default: Any, walk: Walk, images: Tensor) -> bool:
    """Return True if the walk, written for one value of an argument, fits other values too."""
    tried = 0
    for value in _others(default):
        try:
            net = original.make(**{name: value})
            with torch.no_grad():
                net.eval()(images)
        except Exception:  # noqa: S112 - a value that the class does not take
            continue
        tried += 1
        try:
            if find_walk(net, images) != walk:
                return False
        except PluginError:
            return False
    return tried > 0


def images_of(original: Original, net: nn.Module, size: tuple[int, int] | None) -> Images:
    """Find images that the network takes, of `size` (height, width) if it is given.

    Raises:
        OptionError: if it takes images of none of the sizes tried, with its error at the first.
        PluginError: if its input is not one batch of images, or its output is not logits.
    """
    kind = original.name
    _check_inputs(kind, net.forward)
    if parametrized := [name for name, module in net.named_modules() if is_parametrized(module)]:
        raise PluginError(
            f"{kind} has parametrized modules ({parametrized[0]}), which PyTorch can neither copy nor pickle: let its "
            "constructor make plain ones (torch.nn.utils.parametrize.remove_parametrizations)"
        )
    convs = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    if not convs:
        raise PluginError(f"{kind} has no convolution: Zoo's networks make feature maps of images")
    numbers = [conv.in_channels for conv in convs]
    candidates = [number for number in dict.fromkeys((numbers[0], 3, 1)) if number in numbers]
    sizes = [size] if size else [(side, side) for side in dict.fromkeys((*_stated_sizes(original), *SIZES))]
    first: Exception | None = None
    for channels in candidates:
        for height, width in sizes:
            try:
                out = _run(net, channels, height, width)
            except Exception as error:
                first = first or error
                continue
            if problem := _not_logits(out):
                raise PluginError(f"{kind} {problem}. Return one tensor of logits, (batch, classes), or {BY_HAND}")
            return Images(
                channels=channels,
                height=height,
                width=width,
                classes=int(out.shape[1]),
                fixed=not _takes(net, channels, height + 32, width + 32),
            )
    tried = "x".join(map(str, size)) if size else ", ".join(str(height) for height, _ in sizes)
    raise OptionError(
        f"{kind} takes no images of {' or '.join(map(str, candidates))} channels and {tried} pixels "
        f"({type(first).__name__}: {' '.join(str(first).split())[:200]}): "
        + ("correct --input-size" if size else "say its size with --input-size, or correct its forward")
    )


def _check_inputs(kind: str, forward: Callable[..., Any]) -> None:
    parameters = inspect.signature(forward).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [p.name for p in parameters if p.kind in kinds and p.default is inspect.Parameter.empty]
    if len(needed) > 1:
        raise PluginError(
            f"the forward of {kind} takes {len(needed)} inputs ({', '.join(needed)}); a network of Zoo takes one batch "
            "of images: wrap the part that sees one of them"
        )


def _stated_sizes(original: Original) -> list[int]:
    """Return the image sizes among the defaults of its arguments."""
    defaults = {name: p.default for name, p in inspect.signature(original.build).parameters.items()}
    stated = (defaults.get(name) for name in SIZE_ARGUMENTS)
    sides = (value[0] if isinstance(value, list | tuple) and value else value for value in stated)
    return [side for side in sides if type(side) is int and 0 < side <= 4096]


def _run(net: nn.Module, channels: int, height: int, width: int) -> Any:
    with torch.no_grad():
        return net.eval()(torch.zeros(2, channels, height, width))


def _takes(net: nn.Module, channels: int, height: int, width: int) -> bool:
    try:
        return not _not_logits(_run(net, channels, height, width))
    except Exception:
        return False


def _not_logits(out: Any) -> str:
    """Return the fault of an output for two images; empty if it is logits."""
    if isinstance(out, dict):
        return f"returns a dict of {', '.join(map(repr, out))}"
    if not isinstance(out, Tensor):
        many = f" of {len(out)}" if isinstance(out, list | tuple) else ""
        return f"returns a {type(out).__name__}{many}"
    if out.ndim == 4 and out.shape[2] > 1:
        return f"returns a map of shape {tuple(out.shape)}, a score for each pixel"
    return "" if out.ndim == 2 and out.shape[0] == 2 else f"returns a tensor of shape {tuple(out.shape)} for 2 images"
