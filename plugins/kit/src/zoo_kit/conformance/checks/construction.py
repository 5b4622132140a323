"""Checks of constructors and their options."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from zoo_core.errors import OptionError

from zoo_kit.conformance.check import check, describe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo_kit.conformance.subject import Subject

CLASSES = 7
CHANNELS = (1, 5)


@check(
    "constructors",
    reason="every architecture has a constructor, used by name or by import: resnet34(pretrained=False, **options)",
    remedy="let the package's __getattr__ answer with FAMILY.constructor(name), and correct what the error names",
    scope="models",
    needs=("installation",),
)
def constructors(subject: Subject, name: str) -> Iterable[str]:
    """The constructor imports, takes ``pretrained`` first, and builds a module."""
    constructor = subject.constructor(name)
    parameters = list(inspect.signature(constructor).parameters.values())
    if not parameters or parameters[0].name != "pretrained" or parameters[0].default is not False:
        yield f"{subject.models[name].constructor} does not begin with pretrained=False"
    elif not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        yield f"{subject.models[name].constructor} does not take options (**options)"
    else:
        built: object = subject.meta(name)
        if not isinstance(built, nn.Module):
            yield f"it builds a {type(built).__name__}, and no torch.nn.Module"
    package, _, attribute = subject.models[name].constructor.partition(":")
    if attribute not in dir(module := import_module(package)):
        yield f"dir({package}) does not list {attribute}"
    if hasattr(module, "zoo_no_such_architecture"):
        yield f"{package} answers for names that are no architectures: raise AttributeError"


@check(
    "meta-device",
    reason="networks are built without values: to list them, to shard them, to move them elsewhere",
    remedy="let every tensor of the network be a parameter or a buffer",
    scope="models",
    needs=("constructors",),
)
def meta_device(subject: Subject, name: str) -> Iterable[str]:
    """On the meta device nothing has values, and every tensor is a parameter or a buffer."""
    net = subject.meta(name)
    for key, tensor in (*net.named_parameters(), *net.named_buffers()):
        if not tensor.is_meta:
            yield f"{key} is on {tensor.device}"
    for module_name, module in net.named_modules():
        for attribute, value in vars(module).items():
            if isinstance(value, Tensor):
                where = f"{module_name}.{attribute}" if module_name else attribute
                yield f"{where} is a tensor, but neither parameter nor buffer: it stays behind when the network moves"


@check(
    "options",
    reason="a misspelt option that is swallowed gives another network than the user asked for",
    remedy="give the network's __init__ named arguments and no **kwargs, and raise zoo_core.errors.OptionError",
    scope="models",
    needs=("constructors",),
)
def options(subject: Subject, name: str) -> Iterable[str]:
    """An option that the architecture does not have is refused by name."""
    for option, value in (("num_clases", 3), ("zoo_no_such_option", True)):
        try:
            subject.create(name, device="meta", **{option: value})
        except TypeError as error:
            if option not in str(error):
                yield f"the option {option!r} is refused without its name: {describe(error)}"
            elif option == "num_clases" and "num_classes" not in str(error).replace(option, ""):
                yield f"the error for {option!r} does not suggest 'num_classes': {describe(error)}"
        else:
            yield f"the option {option!r}, which does not exist, is swallowed"


@check(
    "option-values",
    reason="an impossible value must be refused where it is given; later it crashes or is ignored",
    remedy="raise zoo_core.errors.OptionError in __init__; zoo_core.layers.create_classifier does so for its options",
    scope="sample",
    needs=("constructors",),
)
def option_values(subject: Subject, name: str) -> Iterable[str]:
    """Impossible values are refused."""
    takes = inspect.signature(type(subject.meta(name)).__init__).parameters
    for option, value in (("num_classes", -1), ("global_pool", "no-such-pool"), ("drop_rate", -0.5)):
        if option not in takes:
            continue
        try:
            subject.create(name, device="meta", **{option: value})
        except (OptionError, ValueError):
            continue
        except Exception as error:
            yield f"{option}={value!r} is no OptionError but {describe(error)}"
        else:
            yield f"{option}={value!r} is accepted"


@check(
    "num-classes",
    reason="fine-tuning begins with other classes, and feature vectors with none",
    remedy="let __init__ take num_classes; zoo_core.layers.create_classifier makes the head of either",
    scope="sample",
    needs=("constructors", "initialisation"),
)
def num_classes(subject: Subject, name: str) -> Iterable[str]:
    """``num_classes=7`` gives seven logits, ``num_classes=0`` the pooled features."""
    for count in (CLASSES, 0):
        net = subject.create(name, num_classes=count).eval()
        with torch.no_grad():
            out = net(subject.images(name))
        width = count or getattr(net, "head_hidden_size", None)
        if getattr(net, "num_classes", None) != count:
            yield f"with num_classes={count} its num_classes is {getattr(net, 'num_classes', None)}"
        if tuple(out.shape) != (2, width):
            yield f"with num_classes={count} a batch of 2 gives {tuple(out.shape)}, not {(2, width)}"


@check(
    "in-chans",
    reason="images may be grey or have more bands than three",
    remedy="let __init__ take in_chans, and give it to the first convolution",
    scope="sample",
    needs=("constructors", "initialisation"),
)
def in_chans(subject: Subject, name: str) -> Iterable[str]:
    """A network for images of other channels takes them, and only them."""
    for channels in CHANNELS:
        net = subject.create(name, in_chans=channels, num_classes=CLASSES).eval()
        with torch.no_grad():
            if tuple(shape := net(subject.images(name, channels=channels)).shape) != (2, CLASSES):
                yield f"images of {channels} channels give {tuple(shape)}"
        first = net.pretrained_cfg["first_conv"]  # type: ignore[index]
        for module in (first,) if isinstance(first, str) else first or ():
            weight = net.get_submodule(module).weight
            if isinstance(weight, Tensor) and weight.shape[1] % channels:
                yield f"with in_chans={channels} first_conv {module!r} has {weight.shape[1]} input channels"


@check(
    "pretrained-flag",
    reason="asking for weights that do not exist must not give random ones",
    remedy="build with zoo_core.build_model_with_cfg, or let FAMILY make the constructors",
    scope="models",
    needs=("constructors",),
)
def pretrained_flag(subject: Subject, name: str) -> Iterable[str]:
    """``pretrained=True`` is refused where there are no weights."""
    from zoo_core.errors import WeightsError

    if subject.models[name].manifest.trained_tags(name):
        return
    try:
        subject.create(name, pretrained=True, device="meta")
    except WeightsError:
        return
    yield "it has no weights, and pretrained=True gives a network all the same"
