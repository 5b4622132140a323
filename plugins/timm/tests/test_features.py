"""Feature maps are timm's: the same wrapper, the same bits, and every layout on request."""

from __future__ import annotations

import peers
import pytest
import torch
import zoo_core as zoo
from twins import outputs, weights
from zoo_core.errors import FeatureError, OptionError

pytestmark = pytest.mark.peers
SIZE = (3, 160, 160)


@pytest.fixture(scope="module", autouse=True)
def timm():
    peers.prepare()
    import timm

    return timm


def both(timm, tmp_path, architecture, **options):
    path = weights(timm.create_model(architecture), tmp_path / "weights.safetensors")
    overlay = {"file": str(path)}
    theirs = timm.create_model(architecture, True, pretrained_cfg_overlay=overlay, features_only=True, **options)
    ours = zoo.create_model(
        f"zoo-timm/{architecture}", True, pretrained_cfg_overlay=overlay, features_only=True, **options
    )
    return theirs.eval(), ours.eval()


@pytest.mark.parametrize(
    ("architecture", "options"),
    [
        ("test_vit", {}),
        ("test_vit", {"out_indices": (0, -1)}),
        ("test_vit", {"out_indices": 2}),
        ("test_efficientnet", {}),
        ("test_efficientnet", {"out_indices": (1, 3), "feature_cls": "fx"}),
        ("test_convnext", {"feature_cls": "hook"}),
        ("test_resnet", {"feature_cls": "dict", "in_chans": 1}),
        ("test_mambaout", {}),
    ],
)
def test_a_wrapper_yields_what_timms_yields(timm, tmp_path, architecture, options):
    theirs, ours = both(timm, tmp_path, architecture, **options)
    assert type(ours).__name__ == type(theirs).__name__
    assert ours.feature_info.get_dicts() == theirs.feature_info.get_dicts()
    size = (options.get("in_chans", 3), *SIZE[1:])
    expected, got = outputs(theirs, size), outputs(ours, size)
    if isinstance(expected, dict):
        assert list(expected) == list(got)
        expected, got = list(expected.values()), list(got.values())
    assert len(expected) == len(got)
    assert all(map(torch.equal, expected, got))
    assert ours.pretrained_cfg["num_classes"] == 0


@pytest.mark.parametrize(("layout", "shape"), [("NCHW", (1, 64, 10, 10)), ("NLC", (1, 100, 64))])
def test_a_layout_is_a_matter_of_asking(layout, shape):
    net = zoo.create_model("zoo-timm/test_vit", features_only=True, output_fmt=layout, out_indices=(1, 2))
    assert [tuple(one.shape) for one in outputs(net.eval(), SIZE)] == [shape, shape]


def test_maps_in_channels_last_come_as_pyramids_on_request(timm):
    size = (3, 224, 224)
    plain = zoo.create_model("swin_tiny_patch4_window7_224", features_only=True, out_indices=(0,)).eval()
    assert outputs(plain, size)[0].shape == (1, 56, 56, 96)
    asked = zoo.create_model(
        "swin_tiny_patch4_window7_224", features_only=True, out_indices=(0,), output_fmt="NCHW"
    ).eval()
    assert outputs(asked, size)[0].shape == (1, 96, 56, 56)


def test_forward_intermediates_is_the_networks_own(timm, tmp_path):
    path = weights(timm.create_model("test_vit"), tmp_path / "weights.safetensors")
    overlay = {"file": str(path)}
    theirs = timm.create_model("test_vit", True, pretrained_cfg_overlay=overlay).eval()
    ours = zoo.create_model("zoo-timm/test_vit", True, pretrained_cfg_overlay=overlay).eval()
    image = torch.rand(1, *SIZE)
    options = {"indices": [0, 2], "norm": True, "output_fmt": "NLC", "return_prefix_tokens": True}
    with torch.no_grad():
        (last, maps), (their_last, their_maps) = (net.forward_intermediates(image, **options) for net in (ours, theirs))
    assert torch.equal(last, their_last)
    for (tokens, prefix), (their_tokens, their_prefix) in zip(maps, their_maps, strict=True):
        assert torch.equal(tokens, their_tokens)
        assert torch.equal(prefix, their_prefix)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"out_indices": (0,)}, OptionError, "test_vit: out_indices needs features_only=True"),
        ({"output_fmt": "NLC"}, OptionError, "output_fmt needs features_only=True"),
        ({"features_only": True, "output_fmt": "LCN"}, FeatureError, "expected one of NCHW, NHWC, NCL, NLC"),
        (
            {"features_only": True, "output_fmt": "NLC", "feature_cls": "hook"},
            FeatureError,
            "needs feature_cls='getter', not 'hook'",
        ),
    ],
)
def test_what_cannot_be_is_said(options, error, said):
    with pytest.raises(error, match=said):
        zoo.create_model("zoo-timm/test_vit", **options)
