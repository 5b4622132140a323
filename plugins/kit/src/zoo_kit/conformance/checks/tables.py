"""Checks of the plugin's tables and of the files made from them."""

from __future__ import annotations

import dataclasses
import warnings
from typing import TYPE_CHECKING, Any

from zoo_core.config import INTERPOLATIONS, PretrainedCfg
from zoo_core.names import parse_model_name
from zoo_core.registry import find_model
from zoo_core.weights.cache.verify import hash_in_name, is_sha256

from zoo_kit.conformance.check import NotApplicable, check
from zoo_kit.manifest.write import MODELS_FILE, write_manifest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from torch import nn

    from zoo_kit.conformance.subject import Subject

_OF_THE_NETWORK = ("first_conv", "classifier")


@check(
    "manifest",
    reason="users see the manifest, and get the code: what is listed must be what is built",
    remedy="run `zoo manifest PACKAGE` after every change of the tables, and commit the files that it wrote",
    needs=("installation",),
)
def manifest(subject: Subject) -> Iterable[str]:
    """The files equal those that the tables make, to the byte."""
    entries = [plugin.entry_point for plugin in subject.plugins if not plugin.manifest.bridge]
    written = [entry for entry in entries if entry.attribute.endswith(".json")]
    if not entries and subject.plugins:
        raise NotApplicable("a script of its own writes a bridge's tables, which its own tests compare")
    if not written:
        raise NotApplicable("it offers plain constructors, without a manifest" if entries else "it offers no models")
    changed: dict[Path, None] = {}
    for entry in written:
        if entry.attribute != MODELS_FILE:
            yield f"{entry} is not named {MODELS_FILE}, which is what `zoo manifest` writes"
        changed |= dict.fromkeys(write_manifest(entry.module, check=True))
    yield from (f"{path.parent.name}/{path.name} is not what its tables make" for path in changed)


@check(
    "default-configs",
    reason="preprocessing, loading, adapting and licences all rely on the default config",
    remedy="correct the entry of PRETRAINED, and run `zoo manifest`",
    scope="models",
    needs=("constructors",),
)
def default_configs(subject: Subject, name: str) -> Iterable[str]:
    """Every tag describes its images, names existing modules, and has a verifiable source."""
    found = subject.models[name]
    net = subject.meta(name)
    for tag in found.manifest.tags(name) or [""]:
        key = f"{name}.{tag}" if tag else name
        values = found.manifest.configs.get(key)
        if values is None:
            yield f"there is no default config {key!r}"
            continue
        cfg = PretrainedCfg.from_dict(values)
        for problem in (*_input_problems(cfg), *_network_problems(cfg, net), *_source_problems(cfg)):
            yield f"{tag}: {problem}" if tag else problem


def _input_problems(cfg: PretrainedCfg) -> Iterable[str]:
    channels = cfg.input_size[0]
    if len(cfg.input_size) != 3 or min(cfg.input_size) < 1:
        yield f"input_size {cfg.input_size} is not (channels, height, width)"
    for field, values in (("mean", cfg.mean), ("std", cfg.std)):
        if len(values) != channels:
            yield f"{field} has {len(values)} values for {channels} channels"
        if any(abs(value) > 4 for value in values):
            yield f"{field} {values} is not of images in 0..1"
    if min(cfg.std, default=0) <= 0:
        yield f"std {cfg.std} is not positive"
    for field in ("crop_pct", "test_crop_pct"):
        value = getattr(cfg, field)
        if value is not None and not 0 < value <= 1:
            yield f"{field} {value} is not in 0..1"
    if cfg.interpolation not in INTERPOLATIONS:
        yield f"interpolation {cfg.interpolation!r} is none of {', '.join(INTERPOLATIONS)}"
    if cfg.label_names is not None and len(cfg.label_names) != cfg.num_classes:
        yield f"label_names has {len(cfg.label_names)} names for {cfg.num_classes} classes"


def _network_problems(cfg: PretrainedCfg, net: nn.Module) -> Iterable[str]:
    modules = dict(net.named_modules())
    for field in _OF_THE_NETWORK:
        value = getattr(cfg, field)
        names = (value,) if isinstance(value, str) else value or ()
        if not names and not (field == "classifier" and cfg.num_classes == 0):
            yield f"it has no {field}, and none could be derived"
        for module in names:
            if module not in modules:
                yield f"{field} {module!r} is no module of the network"
            elif field == "first_conv" and not _weight_takes(modules[module], cfg.input_size[0]):
                yield f"first_conv {module!r} does not see the {cfg.input_size[0]} channels of its images"
            elif field == "classifier" and not _yields(modules[module], net):
                yield f"classifier {module!r} does not yield the {getattr(net, 'num_classes', '?')} logits"


def _weight_takes(module: nn.Module, channels: int) -> bool:
    # A stem that reshapes its input first (space to depth) sees each channel several times.
    weight = getattr(module, "weight", None)
    return weight is not None and weight.ndim == 4 and weight.shape[1] % channels == 0


def _yields(module: nn.Module, net: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    num_classes = getattr(net, "num_classes", None)
    return num_classes == 0 or (weight is not None and weight.shape[0] == num_classes)


def _source_problems(cfg: PretrainedCfg) -> Iterable[str]:
    if not cfg.has_weights:
        return
    if not cfg.license and not any("licen" in note.lower() for note in cfg.notes or ()):
        yield "its weights have no license, and no note says why"
    if cfg.sha256 is not None and not (
        8 <= len(cfg.sha256) <= 64 and set(cfg.sha256.lower()) <= set("0123456789abcdef")
    ):
        yield f"sha256 {cfg.sha256!r} is no SHA-256 in hex"
    if cfg.file:
        yield f"file {cfg.file!r} is a path on one machine: publish a url"
    if cfg.url and not cfg.hf_hub_id and not cfg.sha256 and not hash_in_name(cfg.url):
        yield f"url {cfg.url} has no sha256, nor is one in the file's name"
    if cfg.url and cfg.url.startswith("http:") and not (cfg.sha256 and is_sha256(cfg.sha256)):
        yield f"url {cfg.url} is not https: give a whole sha256"


@check(
    "configurations",
    reason="one configuration serves every network that is built of it: what changes it changes the next network",
    remedy="let it be a dataclass with frozen=True, whose fields are numbers, texts and tuples",
    scope="models",
    needs=("constructors",),
)
def configurations(subject: Subject, name: str) -> Iterable[str]:
    """The configurations in a family's table cannot be changed."""
    family = subject.family(name)
    if family is None:
        raise NotApplicable("its models come from no Family")
    cfg = family.architectures[name]
    parameters = getattr(type(cfg), "__dataclass_params__", None)
    if parameters is None or not parameters.frozen:
        yield f"its configuration, a {type(cfg).__name__}, is no frozen dataclass"
        return
    for field in dataclasses.fields(cfg):
        # No immutable counterpart of a dict can be pickled; the check `global-state` sees a dict
        # that changes.
        if isinstance(value := getattr(cfg, field.name), list | set):
            kind = type(value).__name__
            yield f"{field.name} of its configuration is a {kind}, which can be changed: make it a tuple"


@check(
    "old-names",
    reason="a name that worked once keeps working, with a warning that gives the new name",
    remedy="let ALIASES map each old name to an architecture, or an architecture.tag, that exists",
    needs=("installation",),
)
def old_names(subject: Subject) -> Iterable[str]:
    """Every old name leads to its model, with a deprecation warning that names it."""
    aliases = {
        old: new for plugin in subject.plugins if plugin.manifest for old, new in plugin.manifest.aliases.items()
    }
    if not aliases:
        raise NotApplicable("it has no old names")
    for old, new in aliases.items():
        said: list[Any]
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found = find_model(f"{subject.distribution}/{old}")
        target = parse_model_name(new)
        if found.architecture != target.architecture or target.tag not in (None, found.tag):
            yield f"{old!r} leads to {found.name!r}, not to {new!r}"
        elif not any(
            issubclass(w.category, DeprecationWarning) and target.architecture in str(w.message) for w in said
        ):
            yield f"{old!r} works without a deprecation warning that names {new!r}"
