"""Loading, adapting and extracting against timm, over combinations that hypothesis draws: equal bit
for bit."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import zoo_core as zoo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

pytestmark = pytest.mark.peers

ARCHITECTURES = ["test_resnet", "resnet10t", "ecaresnet26t", "densenetblur121d", "cs3darknet_focus_s", "xception41"]
LABEL_OFFSETS = [0, 1]


@functools.cache
def published(folder: Path, architecture: str, dtype: torch.dtype) -> Path:
    """A file of weights as one would be published: every tensor drawn, statistics too."""
    import timm

    generator = torch.Generator().manual_seed(1)
    weights = timm.create_model(architecture).state_dict()
    for key, tensor in weights.items():
        if tensor.is_floating_point():
            scale = 1 / math.sqrt(max(tensor[0].numel(), 1)) if tensor.ndim > 1 else 0.1
            drawn = torch.randn(tensor.shape, generator=generator) * scale
            weights[key] = (drawn.abs() + 0.5 if key.endswith(("running_var", "bn.weight")) else drawn).to(dtype)
    path = folder / f"{architecture}-{dtype}.safetensors"
    save_file(weights, path)
    return path


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("published")


def both(architecture: str, path: Path, **options: Any) -> tuple[nn.Module, nn.Module]:
    import timm

    ours = zoo.create_model(architecture, True, pretrained_cfg_overlay={"file": str(path)}, mmap=True, **options)
    theirs = timm.create_model(architecture, True, pretrained_cfg_overlay={"file": str(path)}, **options)
    return ours.eval(), theirs.eval()


@pytest.mark.heavy
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(
    architecture=st.sampled_from(ARCHITECTURES),
    in_chans=st.integers(1, 7),
    num_classes=st.sampled_from([0, 7, 1000]),
    stored=st.sampled_from([torch.float32, torch.float16]),
)
def test_adapted_weights_give_timms_logits(
    folder: Path, architecture: str, in_chans: int, num_classes: int, stored: torch.dtype
) -> None:
    path = published(folder, architecture, stored)
    ours, theirs = both(architecture, path, in_chans=in_chans, num_classes=num_classes)
    classifier = ours.default_cfg["classifier"]
    assert list(ours.state_dict()) == list(theirs.state_dict())
    if num_classes == 7:  # a fresh head on either side: the features are what can be compared
        fresh = {key: value for key, value in ours.state_dict().items() if key.startswith(classifier)}
        theirs.load_state_dict(fresh, strict=False)
    for key, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[key], value), key
    images = torch.randn(2, in_chans, 64, 64)
    with torch.inference_mode():
        assert torch.equal(ours(images), theirs(images))


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(
    architecture=st.sampled_from(ARCHITECTURES),
    in_chans=st.sampled_from([1, 3, 5]),
    indices=st.lists(st.integers(0, 4), min_size=1, max_size=5, unique=True),
    wrapper=st.sampled_from(["list", "dict", "hook", "fx", "getter"]),
    dtype=st.sampled_from([torch.float32, torch.bfloat16, torch.float64]),
)
def test_every_wrapper_gives_timms_maps(
    folder: Path, architecture: str, in_chans: int, indices: list[int], wrapper: str, dtype: torch.dtype
) -> None:
    import timm

    path = published(folder, architecture, torch.float32)
    overlay = {"file": str(path)}
    images = torch.randn(1, in_chans, 64, 64).to(dtype)
    options: dict[str, Any] = {"pretrained_cfg_overlay": overlay, "in_chans": in_chans, "features_only": True}
    ours = zoo.create_model(architecture, True, out_indices=indices, feature_cls=wrapper, dtype=dtype, **options)
    theirs = timm.create_model(architecture, True, out_indices=sorted(indices), **options).to(dtype)
    with torch.inference_mode():
        maps, expected = ours.eval()(images), theirs.eval()(images)
    got = list(maps.values()) if isinstance(maps, dict) else maps
    for index, one in zip(indices, got, strict=True):
        assert torch.equal(one, expected[sorted(indices).index(index)])
    assert ours.feature_info.channels() == [one.shape[1] for one in got]
    assert ours.feature_info.channels() == [theirs.feature_info.info[index]["num_chs"] for index in indices]


@pytest.mark.parametrize("architecture", ["resnet10t", "densenetblur121d"])
def test_a_label_offset_cuts_the_rows_that_timm_cuts(folder: Path, architecture: str) -> None:
    path = published(folder, architecture, torch.float32)
    import timm

    overlay = {"file": str(path), "label_offset": 1, "num_classes": 999}
    ours = zoo.create_model(architecture, True, pretrained_cfg_overlay=overlay).eval()
    theirs = timm.create_model(architecture, True, pretrained_cfg_overlay=overlay, num_classes=999).eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(ours(images), theirs(images))


def test_misaligned_tensors_give_the_same_bits(folder: Path, tmp_path: Path) -> None:
    """A header one byte longer or shorter moves all data: mapped or copied, results stay what they
    were."""
    path = published(folder, "resnet10t", torch.float32)
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    images = torch.randn(1, 3, 64, 64)
    expected = None
    for shift in (0, 1, 4, 8, 12):
        header = raw[8 : 8 + length] + b" " * shift
        moved = tmp_path / f"{shift}.safetensors"
        moved.write_bytes(len(header).to_bytes(8, "little") + header + raw[8 + length :])
        ours, theirs = both("resnet10t", moved)
        with torch.inference_mode():
            logits = ours(images)
            assert torch.equal(logits, theirs(images))
        expected = logits if expected is None else expected
        assert torch.equal(logits, expected), shift
