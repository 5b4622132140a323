"""The feature maps of one architecture against timm's: every wrapper, bit for bit on the same
weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import zoo_core as zoo
from comparison import draw_norms, maps_by_hooks
from torch import Tensor, nn
from zoo_core.features.info import FeatureInfo
from zoo_core.features.wrap import wrap_features

WRAPPERS = ("list", "dict", "hook", "fx", "getter")
STRIDES = (32, 16, 8)
CHANNELS = (3, 1, 5)
SIZES = ((33, 48), (64, 64), (75, 91))
"""Of the images. What needs no more than one size is compared in the first, the cheapest."""


@dataclass(frozen=True)
class Substitute:
    """A network of timm's that computes what an architecture computes that timm has no name for."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    scales_are_shifted: bool = False
    """Ours has in-place norms, which scale by |gamma| + eps: timm's plain ones are given that sum
    as their gamma."""


SUBSTITUTES = {
    "cspdarknet53_iabn": Substitute("cspdarknet53", scales_are_shifted=True),
    "cspresnext50_iabn": Substitute("cspresnext50", scales_are_shifted=True),
    "densenet121d": Substitute("densenet121", {"stem_type": "deep"}),
    "densenet264": Substitute("densenet264d", {"stem_type": ""}),
    "densenet264d_iabn": Substitute("densenet264d", {"act_layer": "leaky_relu"}, scales_are_shifted=True),
    "resnext101_32x48d": Substitute("resnext101_32x8d", {"base_width": 48}),
    "test_densenet": Substitute("densenet121", {"growth_rate": 12, "block_config": (2, 2, 3, 3)}),
    "xception": Substitute("legacy_xception"),
}


@dataclass
class Tally:
    """What the comparisons of one architecture came to."""

    compared: int = 0
    different: list[str] = field(default_factory=list)
    """Where a map, its row of `feature_info` or a running statistic is not timm's."""
    differing: int = 0
    refused: list[tuple[str, str, str]] = field(default_factory=list)
    """Configuration, and what timm and Zoo answer to it ("" where one does it)."""

    def add_maps(self, where: str, maps: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
        """Count maps, each with the one that timm yields."""
        self.compared += len(expected)
        if len(maps) != len(expected):
            self.differing += len(expected)
            self.different.append(f"{where}: {len(maps)} maps for {len(expected)}")
            return
        for index, (one, other) in enumerate(zip(maps, expected, strict=True)):
            if not (torch.equal(one, other) and other.isfinite().all()):
                self.differing += 1
                self.different.append(f"{where}: map {index} {_distance(one, other)}")

    def add_facts(self, where: str, fact: object, expected: object) -> None:
        """Note anything that is no map."""
        if fact != expected:
            self.different.append(f"{where}: {fact} for {expected}")


def compare(
    name: str,
    strides: Sequence[int] = STRIDES,
    channels: Sequence[int] = CHANNELS,
    sizes: Sequence[tuple[int, int]] = SIZES,
    wrappers: Sequence[str] = WRAPPERS,
) -> Tally:
    """Compare one architecture in every configuration; images of other than 3 channels in the first
    size alone."""
    tally = Tally()
    for stride in strides:
        for in_chans in channels:
            # Explicitly 32 is the default where there is the option at all, and an error where
            # there is not.
            options = {"in_chans": in_chans} | ({} if stride == 32 else {"output_stride": stride})
            _compare_one(tally, name, options, sizes if in_chans == 3 else sizes[:1], wrappers)
    return tally


@torch.no_grad()
def _compare_one(
    tally: Tally, name: str, options: dict[str, Any], sizes: Sequence[tuple[int, int]], wrappers: Sequence[str]
) -> None:
    where = ", ".join(f"{option} {value}" for option, value in options.items())
    ours, refusal = attempt(zoo.create_model, name, num_classes=0, **options)
    count = len(zoo.create_model(name, device="meta").feature_info)
    theirs, their_refusal = attempt(timms, name, count, **options)
    if refusal or their_refusal:
        tally.refused.append((where, their_refusal, refusal))
        return
    draw_norms(theirs)
    missing = take_weights(ours, theirs)
    if name in SUBSTITUTES and SUBSTITUTES[name].scales_are_shifted:
        shift_scales(theirs)

    extractors = {wrapper: wrap_features(ours, {"feature_cls": wrapper}) for wrapper in wrappers}
    for wrapper, extractor in extractors.items():
        tally.add_facts(f"{where}, {wrapper}, keys past timm's", missing & {*extractor.state_dict()}, set())
        tally.add_facts(f"{where}, {wrapper}", rows(extractor.feature_info), rows(theirs.feature_info))

    images, expected = _compare_sizes(tally, where, extractors, theirs, options["in_chans"], sizes)
    if options["in_chans"] == 3:
        if "output_stride" not in options:  # dilation changes the layers, not which of them a choice keeps
            _compare_choices(tally, where, ours, images, expected, rows(theirs.feature_info), wrappers)
        _compare_training(tally, where, extractors, theirs, torch.cat([images, images.flip(-1)]))


def _compare_sizes(
    tally: Tally,
    where: str,
    extractors: dict[str, nn.Module],
    theirs: nn.Module,
    in_chans: int,
    sizes: Sequence[tuple[int, int]],
) -> tuple[Tensor, Sequence[Tensor]]:
    """All maps in eval mode; returns the smallest images and timm's maps of them."""
    done = []
    for size in sizes:
        images = torch.randn(1, in_chans, *size)
        expected, their_refusal = attempt(theirs.eval(), images)
        if their_refusal:
            for wrapper, extractor in extractors.items():
                refusal = attempt(extractor.eval(), images)[1]
                tally.refused.append((f"{where}, {size[0]} x {size[1]}, {wrapper}", their_refusal, refusal))
            images = torch.randn(1, in_chans, *(-(-pixels // 32) * 32 for pixels in size))
            expected = theirs(images)
        for wrapper, extractor in extractors.items():
            at = f"{where}, {images.shape[2]} x {images.shape[3]}, {wrapper}"
            tally.add_maps(at, listed(extractor.eval()(images)), expected)
        done.append((images, expected))
    return done[0]


def _compare_choices(
    tally: Tally,
    where: str,
    ours: nn.Module,
    images: Tensor,
    expected: Sequence[Tensor],
    info: list[tuple[Any, ...]],
    wrappers: Sequence[str],
) -> None:
    """Some of the maps, in the order asked for, which timm's own wrappers do not keep."""
    for choice in choices(len(expected)):
        wanted = range(len(expected) - choice, len(expected)) if isinstance(choice, int) else choice
        for wrapper in wrappers:
            extractor = wrap_features(ours, {"feature_cls": wrapper, "out_indices": choice}).eval()
            at = f"{where}, {wrapper}, out_indices {choice}"
            tally.add_maps(at, listed(extractor(images)), [expected[index] for index in wanted])
            tally.add_facts(at, rows(extractor.feature_info), [info[index] for index in wanted])


def _compare_training(
    tally: Tally, where: str, extractors: dict[str, nn.Module], theirs: nn.Module, images: Tensor
) -> None:
    """A forward in train mode: the maps, and the statistics that it leaves behind."""
    before = {wrapper: _buffers(extractor, clone=True) for wrapper, extractor in extractors.items()}
    expected = [feature.clone() for feature in theirs.train()(images)]
    after = _buffers(theirs)
    for wrapper, extractor in extractors.items():
        at = f"{where}, {wrapper}, training"
        tally.add_maps(at, listed(extractor.train()(images)), expected)
        buffers = _buffers(extractor)
        other = [key for key, value in buffers.items() if not torch.equal(value, after[key])]
        tally.add_facts(f"{at}, statistics", other, [])
        for key, value in before[wrapper].items():  # the extractors share them
            buffers[key].copy_(value)


def choices(count: int) -> list[int | tuple[int, ...]]:
    """`out_indices` of every kind: each alone, unsorted, negative, an int."""
    return [*[(index,) for index in range(count)], tuple(reversed(range(count))), (count - 2, 1), (-1, 0), 2]


def counterpart(name: str) -> Substitute | None:
    """timm's network of an architecture, if it has one."""
    import timm

    network = SUBSTITUTES.get(name, Substitute(name))
    return network if timm.is_model(network.name) else None


def timms(name: str, count: int, **options: Any) -> nn.Module:
    """timm's extractor of all maps, by the wrapper that is its own default for the architecture.

    Where it has no such network, ours with hooks on the modules that yield the maps.
    """
    import timm

    if (network := counterpart(name)) is None:
        return Hooked(zoo.create_model(name, num_classes=0, **options))
    indices = tuple(range(count))
    return timm.create_model(network.name, features_only=True, out_indices=indices, **network.options, **options)


class Hooked(nn.Module):
    """A whole network, by plain hooks."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.feature_info = FeatureInfo(body.feature_info)

    def forward(self, images: Tensor) -> list[Tensor]:
        return maps_by_hooks(self.body, images)


def take_weights(ours: nn.Module, theirs: nn.Module) -> set[str]:
    """Give our network timm's weights.

    Returns:
        The keys that timm's has not: those past the last map. They stay as they were drawn.
    """
    weights = {_plain(key): value for key, value in theirs.state_dict().items()}
    common = {key: weights[_plain(key)] for key in ours.state_dict() if _plain(key) in weights}
    missing, _ = ours.load_state_dict(common, strict=False)
    return {*missing}


def shift_scales(net: nn.Module) -> None:
    """See `Substitute.scales_are_shifted`."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.add_(module.eps)


def _plain(key: str) -> str:
    """A key as it reads without what timm's wrappers do to it: a prefix, or underscores for
    dots."""
    return key.removeprefix("model.").removeprefix("body.").replace(".", "_")


def _buffers(net: nn.Module, *, clone: bool = False) -> dict[str, Tensor]:
    return {_plain(key): value.clone() if clone else value for key, value in net.named_buffers()}


def rows(info: Any) -> list[tuple[Any, ...]]:
    """Channels, reduction and module of each wanted map."""
    return list(zip(info.channels(), info.reduction(), info.module_name(), strict=True))


def listed(maps: Any) -> list[Tensor]:
    """The maps of any wrapper, in order."""
    return list(maps.values()) if isinstance(maps, dict) else list(maps)


def attempt(run: Callable[..., Any], *args: Any, **options: Any) -> tuple[Any, str]:
    """The result, or None and what was raised."""
    try:
        return run(*args, **options), ""
    except Exception as error:
        return None, f"{type(error).__name__}: {str(error).splitlines()[0]}"


def _distance(one: Tensor, other: Tensor) -> str:
    if one.shape != other.shape:
        return f"is {tuple(one.shape)} for {tuple(other.shape)}"
    return f"is off by {(one - other).abs().max():.2g} of {other.abs().max():.2g}"
