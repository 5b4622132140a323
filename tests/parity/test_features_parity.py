"""Feature extractors against timm's: a sample of the table in docs/feature-parity.md, and all of it
without values."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import peers
import pytest
import torch
import zoo_core as zoo
from feature_parity import (
    CHANNELS,
    STRIDES,
    SUBSTITUTES,
    WRAPPERS,
    Substitute,
    Tally,
    attempt,
    compare,
    listed,
    rows,
    timms,
)

pytestmark = pytest.mark.peers

SAMPLE = ["test_resnet", "resnetblur18", "test_densenet", "legacy_xception", "test_xception", "cs3darknet_focus_s"]
EVERY_BLOCK = {
    "basic, squeezed": "seresnet18",
    "bottleneck, channel attention, tiered stem": "ecaresnet26t",
    "bottleneck, pruned": "ecaresnet50d_pruned",
    "bottleneck, grouped and squeezed": "seresnext26d_32x4d",
    "bottleneck, average anti-aliasing": "resnetaa50d",
    "bottleneck, group norm": "resnet50_gn",
    "bottleneck, no stem pool": "resnetrs50",
    "dense layers, blur": "densenetblur121d",
    "dense layers, in-place norms": "densenet264d_iabn",
    "separable": "xception41",
    "separable, norm first": "xception41p",
    "cross stages of bottlenecks": "cspresnet50w",
    "cross stages of dark blocks, in-place norms": "cspdarknet53_iabn",
    "plain stages of dark blocks": "sedarknet21",
    "cross stages of edge blocks": "cs3se_edgenet_x",
}

IMAGE = (65, 97)  # odd, and yet of a size that average-pooled anti-aliasing can take


def assert_equal(tally: Tally) -> None:
    assert tally.compared
    assert tally.different == []
    assert tally.differing == 0
    for where, theirs, ours in tally.refused:
        assert theirs, where
        assert ours, where


@pytest.mark.parametrize("name", SAMPLE)
def test_every_wrapper_yields_timms_maps(name: str) -> None:
    assert_equal(compare(name, channels=(3, 1), sizes=((33, 48),)))


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", EVERY_BLOCK.values(), ids=list(EVERY_BLOCK))
def test_every_wrapper_yields_timms_maps_of_every_block(name: str) -> None:
    assert_equal(compare(name, sizes=((33, 48),)))


def test_another_network_is_told_from_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights are the same, the activation is not."""
    substitute = SUBSTITUTES["test_densenet"]
    other = Substitute(substitute.name, {**substitute.options, "act_layer": "leaky_relu"})
    monkeypatch.setitem(SUBSTITUTES, "test_densenet", other)
    tally = compare("test_densenet", strides=(32,), channels=(3,), sizes=((33, 48),), wrappers=("list",))
    assert tally.compared == tally.differing
    assert len(tally.different) > tally.differing  # running statistics, too


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.heavy if name in SAMPLE else pytest.mark.exhaustive)
        for name in zoo.list_models(module=peers.FAMILIES)
    ],
)
def test_without_memory_every_extractor_says_and_yields_the_shapes_of_timms(name: str) -> None:
    count = len(zoo.create_model(name, device="meta").feature_info)
    place = "cpu" if "pruned" in name else "meta"  # timm prunes by copying weights
    for stride, in_chans in itertools.product(STRIDES, CHANNELS):
        options: dict[str, Any] = {"in_chans": in_chans} | ({} if stride == 32 else {"output_stride": stride})
        with torch.device(place):
            theirs, their_refusal = attempt(timms, name, count, **options)
        for wrapper in WRAPPERS if options == {"in_chans": 3} else WRAPPERS[:1]:
            create = partial(zoo.create_model, name, device="meta", features_only=True, feature_cls=wrapper)
            ours, refusal = attempt(create, out_indices=range(count), **options)
            assert bool(refusal) == bool(their_refusal), (options, refusal, their_refusal)
            if not refusal:
                assert all(value.is_meta for value in ours.state_dict().values())
                assert rows(ours.feature_info) == rows(theirs.feature_info), (options, wrapper)
        if not refusal and (stride, in_chans) in zip(STRIDES, CHANNELS, strict=True):  # each of both in one forward
            maps = ours(torch.empty(1, in_chans, *IMAGE, device="meta"))
            expected = theirs(torch.zeros(1, in_chans, *IMAGE, device=place))
            assert [one.shape for one in listed(maps)] == [one.shape for one in expected], options
