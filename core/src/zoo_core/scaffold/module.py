"""Look at a class that is to be wrapped: load it, and find out which arguments and images it takes."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from zoo_core.errors import OptionError, PluginError, did_you_mean
from zoo_core.scaffold.walk import Walk, find_walk

if TYPE_CHECKING:
    from types import ModuleType

SIZES = (224, 32, 28, 64, 299)
"""Image sizes that are tried in turn where the user gives none."""
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
"""Arguments for what Zoo asks of every network by a name of its own; they are left out of the configuration."""
_MODULE = "_zoo_new_original"


def load_class(source: str) -> tuple[Path, type[nn.Module]]:
    """The file and the class that ``FILE.py:Class`` names.

    Raises:
        OptionError: when there is no such file or class, or it needs other files.
    """
    file, colon, name = source.rpartition(":")
    path = Path(file)
    if not colon or not name.isidentifier() or path.suffix != ".py":
        raise OptionError(f"--from {source!r}: expected FILE.py:Class")
    if not path.is_file():
        raise OptionError(f"--from {source!r}: there is no file {file}")
    before = set(sys.modules)
    module = _execute(path)
    folder = path.resolve().parent
    siblings = {
        loaded
        for loaded in set(sys.modules) - before - {_MODULE}
        if folder in Path(getattr(sys.modules[loaded], "__file__", None) or "/").resolve().parents
    }
    if siblings:
        raise OptionError(f"{file} imports {min(siblings)}, which lies beside it: put all of the network into one file")
    found = getattr(module, name, None)
    classes = [key for key, value in vars(module).items() if inspect.isclass(value) and issubclass(value, nn.Module)]
    if not inspect.isclass(found) or not issubclass(found, nn.Module):
        raise OptionError(
            f"{file} has no torch.nn.Module {name!r}{did_you_mean(name, classes) or f'; it has {classes}'}"
        )
    return path, found


def _execute(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    assert spec is not None  # the path ends with .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise OptionError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module


def arguments_of(original: type[nn.Module]) -> tuple[dict[str, Any], list[str]]:
    """Defaults of the arguments that may be options, and the names of those that cannot.

    Raises:
        OptionError: for an argument without a default.
    """
    chosen: dict[str, Any] = {}
    left_out = []
    for parameter in list(inspect.signature(original.__init__).parameters.values())[1:]:
        name, default = parameter.name, parameter.default
        if parameter.kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL):
            continue
        if default is inspect.Parameter.empty:
            raise OptionError(f"{original.__name__} needs its argument {name!r}: give it a default in the file")
        if name in CLASSES or name in CHANNELS:
            continue
        if _others(default) and parameter.kind is not inspect.Parameter.POSITIONAL_ONLY:
            chosen[name] = tuple(default) if isinstance(default, list) else default
        else:
            left_out.append(name)
    return chosen, left_out


def _others(value: Any) -> list[Any]:
    """Other values that an argument might take; none where its default does not say."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [2 * value, value + 1]
    if isinstance(value, float):
        return [value / 2 if value else 0.5]
    if isinstance(value, list | tuple) and value and all(type(item) in (int, float) for item in value):
        return [[2 * item for item in value], list(value[:-1]), [*value, value[-1]]]
    return []


def is_free(original: type[nn.Module], name: str, default: Any, walk: Walk, images: torch.Tensor) -> bool:
    """Whether the walk is the same for other values of an argument, as it is written down for one."""
    tried = 0
    for value in _others(default):
        try:
            net = original(**{name: value})
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


def images_of(net: nn.Module, size: tuple[int, int] | None) -> tuple[int, int, int, int]:
    """Height and width that the network takes, channels of its first convolution, width of its logits."""
    conv = next((module for module in net.modules() if isinstance(module, nn.Conv2d)), None)
    if conv is None:
        raise PluginError(f"{type(net).__name__} has no convolution: Zoo's networks are made of feature maps")
    for height, width in [size] if size else [(side, side) for side in SIZES]:
        if out := logits_of(net, conv.in_channels, height, width):
            return height, width, conv.in_channels, out
    raise OptionError(
        f"{type(net).__name__} takes no images of {conv.in_channels} channels and "
        f"{'x'.join(map(str, size)) if size else ', '.join(map(str, SIZES))} pixels: say its size with --input-size"
    )


def logits_of(net: nn.Module, channels: int, height: int, width: int) -> int:
    """How many logits a batch of two images gives; 0 where the network does not take them."""
    try:
        with torch.no_grad():
            out = net.eval()(torch.zeros(2, channels, height, width))
    except Exception:
        return 0
    return int(out.shape[1]) if isinstance(out, torch.Tensor) and out.ndim == 2 and out.shape[0] == 2 else 0
