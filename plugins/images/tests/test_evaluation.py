"""`create_transform` and `resolve_data_config` beside timm's, and in the loops of others."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
import zoo_core
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from zoo_core.errors import ConfigError, OptionError
from zoo_images import create_transform, resolve_data_config

PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 140, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def timm():
    import peers

    peers.prepare()
    return pytest.importorskip("timm")


@pytest.mark.peers
@pytest.mark.parametrize(
    "name", ["resnet50.a1_in1k", "cspdarknet53.ra_in1k", "densenet121.tv_in1k", "xception41.tf_in1k"]
)
@pytest.mark.parametrize("use_test_size", [False, True])
def test_configs_are_timms(timm, name: str, use_test_size: bool) -> None:
    cfg = zoo_core.get_pretrained_cfg(name)
    theirs = timm.get_pretrained_cfg(name).to_dict()
    wanted = timm.data.resolve_data_config(pretrained_cfg=theirs, use_test_size=use_test_size)
    assert resolve_data_config(pretrained_cfg=cfg, use_test_size=use_test_size) == wanted


@pytest.mark.peers
@settings(max_examples=150, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "img_size": st.none() | st.integers(16, 64),
            "input_size": st.none() | st.tuples(st.just(3), st.integers(16, 64), st.integers(16, 64)),
            "crop_pct": st.none() | st.sampled_from([0.5, 0.875, 1.0]),
            "crop_mode": st.none() | st.sampled_from(["center", "squash", "border"]),
            "mean": st.none() | st.sampled_from([(0.5,), (0.1, 0.2, 0.3)]),
            "std": st.none() | st.sampled_from([(0.5,), (0.1, 0.2, 0.3)]),
            "interpolation": st.none() | st.sampled_from(["bilinear", "bicubic"]),
        },
    )
)
def test_fields_and_pixels_are_timms(timm, args: dict) -> None:
    cfg = zoo_core.get_pretrained_cfg("resnet50.a1_in1k")
    wanted = timm.data.resolve_data_config(args, pretrained_cfg=timm.get_pretrained_cfg("resnet50.a1_in1k").to_dict())
    ours = resolve_data_config(args, pretrained_cfg=cfg)
    assert ours == wanted
    assert torch.equal(create_transform(**ours)(PHOTO), timm.data.create_transform(**wanted)(PHOTO))


@pytest.mark.peers
@pytest.mark.parametrize("mode", ["center", "squash", "border"])
@pytest.mark.parametrize("size", [(3, 48, 48), (3, 40, 56)])
def test_the_steps_are_timms(timm, mode: str, size: tuple[int, ...]) -> None:
    fields = {
        "input_size": size,
        "crop_pct": 0.9,
        "crop_mode": mode,
        "interpolation": "bicubic",
        "mean": (0.1, 0.2, 0.3),
    }
    transform, theirs = create_transform(**fields), timm.data.create_transform(**fields)
    resize, crop, _, normalise = transform.transforms
    assert (resize.size, resize.interpolation) == (theirs.transforms[0].size, theirs.transforms[0].interpolation.value)
    assert crop.size == theirs.transforms[1].size
    assert torch.equal(normalise.mean, theirs.transforms[-1].mean)
    assert torch.equal(normalise.std, theirs.transforms[-1].std)
    ours = wanted = PHOTO
    for step, their_step in zip(transform.transforms, theirs.transforms, strict=True):
        ours, wanted = step(ours), their_step(wanted)
        assert np.array_equal(np.asarray(ours), np.asarray(wanted)), step


def test_a_changed_list_of_steps_is_what_is_done() -> None:
    transform = create_transform(input_size=32)
    normalise = transform.transforms.pop()
    values = transform(PHOTO)
    assert 0 <= values.min() <= values.max() <= 1
    assert torch.equal(normalise(values), create_transform(input_size=32)(PHOTO))
    assert torch.equal(values, pickle.loads(pickle.dumps(transform))(PHOTO)), "the step changed its input, or is back"


def test_a_model_is_enough() -> None:
    net = zoo_core.create_model("test_resnet.digits", pretrained=True)
    transform = create_transform(net)
    assert transform == create_transform(net.pretrained_cfg)
    assert transform(PHOTO).shape == (3, 32, 32)
    assert create_transform(net, input_size=48)(PHOTO).shape == (3, 48, 48)
    assert create_transform(net, input_size=(40, 48))(PHOTO).shape == (3, 40, 48)


def test_labels_and_batches_pass_through() -> None:
    transform = create_transform(input_size=32)
    image, label = transform((PHOTO, 7))
    assert (image.shape, label) == ((3, 32, 32), 7)
    image, label = transform(PHOTO, 7)
    assert (image.shape, label) == ((3, 32, 32), 7)
    batch = transform({"image": [PHOTO, PHOTO], "label": [1, 2]})
    assert [each.shape for each in batch["image"]] == [(3, 32, 32)] * 2
    assert batch["label"] == [1, 2]


def test_the_workers_of_a_loader_can_have_it(tmp_path) -> None:
    transform = create_transform(input_size=32)
    assert torch.equal(pickle.loads(pickle.dumps(transform))(PHOTO), transform(PHOTO))
    dataset = [(PHOTO, 3)] * 4
    loader = torch.utils.data.DataLoader(dataset, batch_size=2, num_workers=1, collate_fn=_Collate(transform))
    assert [images.shape for images in loader] == [(2, 3, 32, 32)] * 2


class _Collate:
    def __init__(self, transform) -> None:
        self.transform = transform

    def __call__(self, rows):
        return torch.stack([self.transform(image) for image, _ in rows])


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"crop_pc": 0.9}, OptionError, "the transform has no field 'crop_pc'. Did you mean 'crop_pct'"),
        ({"crop_pct": "much"}, ConfigError, "crop_pct"),
        ({"input_size": (3, 32, 32, 32)}, ConfigError, "input_size"),
        ({"input_size": "large"}, ConfigError, "input_size"),
    ],
)
def test_mistakes(fields: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        create_transform(**fields)


def test_what_holds_no_image_is_refused() -> None:
    with pytest.raises(OptionError, match="expected an image of PIL, or something that holds one, not Tensor"):
        create_transform()(torch.zeros(3, 8, 8))
    with pytest.raises(OptionError, match="Linear carries no default config"):
        create_transform(torch.nn.Linear(1, 1))
