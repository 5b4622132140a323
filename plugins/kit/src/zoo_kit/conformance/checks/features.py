"""Checks of feature maps: `feature_info` is true, and every wrapper gives the same maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from zoo_core.errors import FeatureError
from zoo_core.features.capture import collect, tap_modules
from zoo_core.features.info import FeatureInfo, has_walk
from zoo_core.features.layout import LAYOUTS, convert_map

from zoo_kit.conformance.check import NotApplicable, check, describe
from zoo_kit.conformance.checks.programs import claims
from zoo_kit.manifest.facts import QuickNorms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo_kit.conformance.subject import Subject

SIDE = 256
"""Pixels a side of the images on the meta device; in small ones borders would blur the ratios."""
_RATIO = 0.8, 1.25
"""Bounds of (input size / map size) / reduction: a convolution without padding loses a border."""
WRAPPERS = ("list", "dict", "hook", "fx", "getter")


@check(
    "feature-info",
    reason="detectors and segmenters are built from channels and reductions before anything runs",
    remedy="correct num_chs, reduction, module and layout in the network's feature_info, or its num_prefix_tokens",
    scope="models",
    needs=("contract",),
)
def feature_info(subject: Subject, name: str) -> Iterable[str]:
    """Channels, reduction and module of every map are those of the real maps."""
    net: Any = subject.meta(name)
    cfg = subject.cfg(name)
    size = cfg.input_size[1:] if cfg.fixed_input_size else (subject.multiple(name, SIDE),) * 2
    try:
        with torch.no_grad(), QuickNorms():
            maps = net.forward_intermediates(
                torch.empty(1, cfg.input_size[0], *size, device="meta"), intermediates_only=True
            )
    except FeatureError as error:
        yield f"images of {' x '.join(map(str, size))}: {error}"
        return
    if len(maps) != len(net.feature_info):
        yield f"feature_info has {len(net.feature_info)} rows, and there are {len(maps)} maps"
        return
    modules = dict(net.named_modules())
    for index, (entry, found) in enumerate(zip(net.feature_info, maps, strict=True)):
        if found.ndim != 4 or entry["num_chs"] != found.shape[1]:
            yield f"map {index} is {tuple(found.shape[1:])}, and feature_info says {entry['num_chs']} channels"
            continue
        if not _of_reduction(found, size, entry["reduction"]):
            sides, pixels = (" x ".join(map(str, each)) for each in (found.shape[2:], size))
            yield f"map {index} has {sides} of {pixels} pixels, and feature_info says reduction {entry['reduction']}"
        if entry["module"] not in modules:
            yield f"map {index} comes from {entry['module']!r}, which is no module of the network"
    reductions = [entry["reduction"] for entry in net.feature_info]
    if reductions != sorted(reductions):
        yield f"the reductions of feature_info fall: {reductions}"
    if net.num_features != net.feature_info[-1]["num_chs"]:
        yield f"num_features is {net.num_features}, and the last map has {net.feature_info[-1]['num_chs']} channels"


@check(
    "feature-maps",
    reason="the table names the modules whose outputs the maps are: hooks and graphs go by these names",
    remedy="collect a map in forward_stages where its module has just run, and stop after the stage `last`",
    scope="sample",
    needs=("feature-info", "initialisation"),
)
def feature_maps(subject: Subject, name: str) -> Iterable[str]:
    """A map is the output of its module, in the order asked for, whichever maps are asked for."""
    net: Any = subject.create(name).eval()
    images = subject.images(name)
    names = [entry["module"] for entry in net.feature_info]
    with torch.no_grad():
        final, maps = net.forward_intermediates(images)
        tap_modules(net, names)
        outputs = collect(net, net, names, images)
        features = net.forward_features(images)
        if conversions := FeatureInfo(net.feature_info).conversions(net):
            outputs = [convert_map(output, images, how) for output, how in zip(outputs, conversions, strict=True)]
        for index, (module, one, other) in enumerate(zip(names, maps, outputs, strict=True)):
            if not _same(one, other):
                yield f"map {index} is not what its module {module!r} yields"
        if not _same(final, features):
            yield "forward_intermediates ends with other features than forward_features gives"
        count = len(maps)
        for indices in ([0], 1, [count - 1, 0])[: 3 if count > 1 else 2]:
            wanted = [count - 1] if isinstance(indices, int) else indices
            some = net.forward_intermediates(images, indices=indices, stop_early=True, intermediates_only=True)
            if len(some) != len(wanted) or not all(_same(a, maps[i]) for a, i in zip(some, wanted, strict=True)):
                yield f"forward_intermediates(indices={indices}, stop_early=True) gives other maps than all of them"


@check(
    "pruning",
    reason="a backbone of the first stages must not carry the memory, and the files, of the others",
    remedy="register modules in the order in which they run, and leave prune_stages as Network has it",
    scope="sample",
    needs=("feature-maps",),
)
def pruning(subject: Subject, name: str) -> Iterable[str]:
    """Pruning drops all modules after the last wanted map, and keeps the wanted maps."""
    net: Any = subject.create(name).eval()
    if len(net.feature_info) < 2:
        raise NotApplicable("it has one feature map")
    images = subject.images(name)
    with torch.no_grad():
        maps = net.forward_intermediates(images, intermediates_only=True)
        for index in range(len(maps) - 1):
            pruned: Any = subject.create(name).eval()
            kept = pruned.prune_intermediate_layers([index])
            if kept != [index]:
                yield f"prune_intermediate_layers([{index}]) returns {kept}"
            if (left := _numbers(pruned)) > (used := _used(subject, name, index)):
                yield f"pruned to map {index}, it keeps {left:,} numbers, and that map needs {used:,} of them"
            (found,) = pruned.forward_intermediates(images, indices=[index], stop_early=True, intermediates_only=True)
            if not _same(found, maps[index]):
                yield f"pruned to map {index}, it gives another map"


def _used(subject: Subject, name: str, index: int) -> int:
    """Count the numbers in the modules that run up to a map."""
    net: Any = subject.create(name).eval()
    ran: dict[Tensor, None] = {}

    def note(module: nn.Module, *_: Any) -> None:
        ran.update(dict.fromkeys(module.state_dict(keep_vars=True).values()))

    for module in net.modules():
        if module is not net and not isinstance(module, nn.ModuleList | nn.ModuleDict):
            module.register_forward_hook(note)
    with torch.no_grad():
        net.forward_intermediates(
            subject.images(name, batch=1), indices=[index], stop_early=True, intermediates_only=True
        )
    ran.update(dict.fromkeys((*net.parameters(recurse=False), *net.buffers(recurse=False))))
    return sum(tensor.numel() for tensor in ran)


def _numbers(net: nn.Module) -> int:
    return sum(tensor.numel() for tensor in net.state_dict().values())


@check(
    "wrappers",
    reason="features_only=True is how backbones are made, by whichever wrapper the user's program needs",
    remedy="guard every stage in forward_stages with `self.stage is not None and last >= index`",
    scope="sample",
    needs=("feature-maps",),
)
def wrappers(subject: Subject, name: str) -> Iterable[str]:
    """Every wrapper yields the network's maps, all or some, under the keys of its state dict."""
    plain: Any = subject.create(name).eval()
    images = subject.images(name)
    with torch.no_grad():
        maps = plain.forward_intermediates(images, intermediates_only=True)
    whole = plain.state_dict()
    last = len(maps) - 1
    choices = [tuple(range(last + 1)), (0,), (last, 0)] if last else [(0,)]
    for wrapper in WRAPPERS:
        if wrapper == "fx" and "fx" not in claims(plain):  # it is made of the graph that torch.fx traces
            continue
        for indices in choices:
            try:
                net = subject.create(name, features_only=True, feature_cls=wrapper, out_indices=indices).eval()
                # A network without classifier draws less, so the same seed starts it otherwise.
                net.load_state_dict({key: whole[key] for key in net.state_dict() if key in whole}, strict=False)
                with torch.no_grad():
                    found = net(images)
            except Exception as error:
                yield f"feature_cls={wrapper!r}, out_indices={indices} fails: {describe(error)}"
                break
            found = list(found.values()) if isinstance(found, dict) else list(found)
            if len(found) != len(indices) or not all(_same(a, maps[i]) for a, i in zip(found, indices, strict=True)):
                yield f"feature_cls={wrapper!r}, out_indices={indices} yields other maps than forward_intermediates"
            info: Any = net.feature_info
            if info.layout() != [plain.feature_info[index].get("layout", "NCHW") for index in indices]:
                yield f"feature_cls={wrapper!r} has other layouts in its feature_info than the network"
            if strange := net.state_dict().keys() - whole.keys():
                yield f"feature_cls={wrapper!r} has a key {min(strange)!r} that the network does not have"


@check(
    "layouts",
    reason="one head wants maps, another tokens, and some read the class token: each network gives all of them",
    remedy="return maps as their modules yield them, name the layout in feature_info, and set num_prefix_tokens",
    scope="sample",
    needs=("feature-maps",),
)
def layouts(subject: Subject, name: str) -> Iterable[str]:
    """Maps in every layout are the same maps, with the prefix tokens that are asked for."""
    net: Any = subject.create(name).eval()
    if not has_walk(net):
        raise NotApplicable("its network has another library's forward_intermediates")
    images, count = subject.images(name), net.num_prefix_tokens
    with torch.no_grad():
        maps = net.forward_intermediates(images, intermediates_only=True)
        for layout in LAYOUTS:
            pairs = net.forward_intermediates(
                images, output_fmt=layout, intermediates_only=True, return_prefix_tokens=True
            )
            for index, (wanted, pair) in enumerate(zip(maps, pairs, strict=True)):
                found, *prefix = pair if isinstance(pair, tuple) else (pair,)
                if not _same(convert_map(wanted, images, ("NCHW", layout, 1, 0)), found):
                    yield f"map {index} as {layout} is not its map as NCHW"
                shapes = [tuple(tokens.shape) for tokens in prefix]
                if shapes != ([(2, count, wanted.shape[1])] if count else []):
                    yield f"num_prefix_tokens is {count}, and the prefix tokens of map {index} are {shapes}"


@check(
    "image-sizes",
    reason="detectors and segmenters give backbones images of any size, if the default config fixes none",
    remedy="compute what depends on the size in forward, or set fixed_input_size=True in the default config",
    scope="sample",
    needs=("feature-info",),
)
def image_sizes(subject: Subject, name: str) -> Iterable[str]:
    """Maps of images of other shapes have the sizes that their reductions promise."""
    cfg = subject.cfg(name)
    if cfg.fixed_input_size:
        raise NotApplicable("its default config fixes the image size")
    net: Any = subject.meta(name)
    side = subject.multiple(name, SIDE)
    for size in ((side, 2 * side), (subject.multiple(name, side + 1), side)):
        try:
            with torch.no_grad():
                maps = net.forward_intermediates(
                    torch.empty(1, cfg.input_size[0], *size, device="meta"), intermediates_only=True
                )
        except Exception as error:
            yield f"images of {size[0]} x {size[1]} fail: {describe(error)}"
            continue
        for index, (entry, found) in enumerate(zip(net.feature_info, maps, strict=True)):
            if not _of_reduction(found, size, entry["reduction"]):
                yield f"map {index} of images of {size[0]} x {size[1]} is {found.shape[2]} x {found.shape[3]}"


def _of_reduction(found: Tensor, size: tuple[int, ...], reduction: float) -> bool:
    ratios = (pixels / side / reduction for side, pixels in zip(found.shape[2:], size, strict=True))
    return all(_RATIO[0] < ratio < _RATIO[1] for ratio in ratios)


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, rtol=1e-4, atol=1e-5)
