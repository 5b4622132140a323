"""The example whose maps are tokens: what users and the kit see, and the same network in timm."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch
import zoo_core as zoo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from wheels import ROOT, build_wheel, run_kit, unpack
from zoo_core.errors import OptionError, WeightsError
from zoo_core.features.layout import LAYOUTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WRAPPERS = ("list", "dict", "hook", "fx", "getter")
X = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module", autouse=True)
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A folder with the example as its users get it, on this process's path."""
    folder = tmp_path_factory.mktemp("tinyvit")
    unpack(build_wheel(ROOT / "examples" / "zoo-tinyvit", folder / "wheel"), folder / "site")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder / "site"))
        zoo.refresh()
        yield str(folder / "site")
    for name in [name for name in sys.modules if name.partition(".")[0] == "zoo_tinyvit"]:
        del sys.modules[name]
    zoo.refresh()


@pytest.fixture
def net() -> Any:
    return zoo.create_model("tinyvit_48.digits", pretrained=True).eval()


@pytest.mark.heavy
def test_the_kit_finds_no_fault(site: str) -> None:
    outcomes = run_kit(site, "zoo-tinyvit")
    assert {name: text for name, (outcome, text) in outcomes.items() if outcome == "failed"} == {}
    passed = {name for name, (outcome, _) in outcomes.items() if outcome == "passed"}
    assert {"script", "trace", "fx", "export", "compile", "checkpointing", "shipped-weights", "layouts"} <= passed


def test_the_recorded_accuracy_is_that_of_the_held_out_digits(net: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    import train_digits
    from zoo_images.transform import transform_image

    images, labels = train_digits.digit_images()
    _, held_out = train_digits.split()
    inputs = torch.stack([transform_image(images[index], net.pretrained_cfg) for index in held_out])
    accuracy = train_digits.accuracy(net, inputs, torch.tensor([labels[index] for index in held_out]))
    assert accuracy == pytest.approx(net.pretrained_cfg.metrics["accuracy"], abs=0.004)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_features_only_gives_the_maps_of_forward_intermediates(net: Any, wrapper: str, layout: str) -> None:
    options = {"feature_cls": wrapper, "output_fmt": layout, "out_indices": (5, 2)}
    backbone = zoo.create_model("tinyvit_48.digits", pretrained=True, features_only=True, **options).eval()
    found, wanted = backbone(X), net.forward_intermediates(X, (5, 2), output_fmt=layout, intermediates_only=True)
    found = found.values() if isinstance(found, dict) else found
    assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))
    assert backbone.feature_info.layout() == ["NLC", "NLC"]


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.integers(1, 20), columns=st.integers(1, 20))
def test_it_takes_images_of_any_size_that_patches_fit_into(net: Any, rows: int, columns: int) -> None:
    maps = net.forward_intermediates(torch.zeros(1, 3, 4 * rows, 4 * columns), intermediates_only=True)
    assert [tuple(found.shape) for found in maps] == [(1, 48, rows, columns)] * 6
    assert net(torch.zeros(1, 3, 4 * rows, 4 * columns)).shape == (1, 10)


@pytest.mark.parametrize("size", [48, (16, 40)])
def test_weights_of_another_size_load_as_the_network_resizes_them(net: Any, size: Any) -> None:
    """What a network of its own size does with such images, one made for that size does too."""
    other = zoo.create_model("tinyvit_48.digits", pretrained=True, img_size=size).eval()
    assert other.pos_embed.shape != net.pos_embed.shape
    images = torch.randn(2, 3, *((size, size) if isinstance(size, int) else size))
    torch.testing.assert_close(other(images), net(images))


def test_weights_of_no_known_shape_do_not_fit(net: Any, tmp_path: Path) -> None:
    state = {**net.state_dict(), "pos_embed": torch.zeros(1, 63, 48)}
    save_file(state, tmp_path / "odd.safetensors")
    with pytest.raises(WeightsError, match="pos_embed"):
        zoo.create_model("tinyvit_48", checkpoint_path=tmp_path / "odd.safetensors", num_classes=10)


def test_the_class_token_or_the_average_is_pooled_and_classes_and_channels_are_adapted(net: Any) -> None:
    other = zoo.create_model("tinyvit_48.digits", pretrained=True, global_pool="avg", num_classes=3, in_chans=1).eval()
    assert other(X[:, :1]).shape == (2, 3)
    features = net.forward_features(X)
    assert features.shape == (2, 1 + 4 + 64, 48)
    assert torch.equal(net.forward_head(features, pre_logits=True), features[:, 0])
    net.reset_classifier(7, "avg")
    assert torch.equal(net.forward_head(features, pre_logits=True), features[:, 5:].mean(1))
    assert net.get_classifier().out_features == 7


@pytest.mark.parametrize(("options", "message"), [
    ({"img_size": 30}, "img_size 30: a multiple of the patches' 4 pixels"),
    ({"heads": 5}, "width 48: a multiple of the 5 heads"),
    ({"global_pool": "tokn"}, "Did you mean 'token'"),
])  # fmt: skip
def test_an_option_that_cannot_be_is_said(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        zoo.create_model("tinyvit_48", **options)


@pytest.fixture(scope="module")
def in_timm() -> Any:
    """The same network in timm, with the same weights, which have the same names."""
    import peers

    peers.prepare()
    from timm.models.vision_transformer import VisionTransformer

    theirs = VisionTransformer(
        img_size=32, patch_size=4, embed_dim=48, depth=6, num_heads=3, mlp_ratio=2, num_classes=10,
        reg_tokens=4, no_embed_class=True, dynamic_img_size=True,
    ).eval()  # fmt: skip
    theirs.load_state_dict(zoo.create_model("tinyvit_48.digits", pretrained=True).state_dict(), strict=True)
    return theirs


@pytest.mark.peers
@pytest.mark.parametrize("size", [(32, 32), (24, 40)], ids=str)
def test_logits_and_features_are_timms(net: Any, in_timm: Any, size: tuple[int, int]) -> None:
    images = torch.randn(2, 3, *size)
    assert torch.equal(net.forward_features(images), in_timm.forward_features(images))
    assert torch.equal(net(images), in_timm(images))


@pytest.mark.peers
@pytest.mark.parametrize("indices", [None, 2, (1,), (0, 3, 5)], ids=str)
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("stop_early", [False, True])
@pytest.mark.parametrize("output_fmt", ["NCHW", "NLC"])
@pytest.mark.parametrize("intermediates_only", [False, True])
@pytest.mark.parametrize("return_prefix_tokens", [False, True])
@torch.no_grad()
def test_forward_intermediates_means_what_timms_does(
    net: Any,
    in_timm: Any,
    indices: Any,
    norm: bool,
    stop_early: bool,
    output_fmt: str,
    intermediates_only: bool,
    return_prefix_tokens: bool,
) -> None:
    options = {"indices": indices, "norm": norm, "stop_early": stop_early, "output_fmt": output_fmt}
    options |= {"intermediates_only": intermediates_only, "return_prefix_tokens": return_prefix_tokens}
    ours, theirs = (each.forward_intermediates(X, **options) for each in (net, in_timm))
    assert type(ours) is type(theirs)
    ours, theirs = (torch.utils._pytree.tree_flatten(each) for each in (ours, theirs))
    assert ours[1] == theirs[1]
    assert all(torch.equal(one, other) for one, other in zip(ours[0], theirs[0], strict=True))


@pytest.mark.peers
@pytest.mark.parametrize("options", [{}, {"norm": True}, {"output_fmt": "NLC"}], ids=str)
def test_timms_own_network_is_wrapped_as_timm_does(in_timm: Any, options: dict[str, Any]) -> None:
    """A module of another library says its layout in its table; the rest follows."""
    import copy

    from timm.models._features import FeatureGetterNet as TheirGetter
    from zoo_core.features.wrap import wrap_features

    marked = copy.deepcopy(in_timm)
    marked.feature_info = [{**row, "layout": "NLC"} for row in in_timm.feature_info]
    ours = wrap_features(marked, {"out_indices": (2, 4), **options})
    theirs = TheirGetter(copy.deepcopy(in_timm), (2, 4), **options)
    with torch.no_grad():
        assert all(torch.equal(one, other) for one, other in zip(ours(X), theirs(X), strict=True))
        for layout in LAYOUTS:
            hooked = wrap_features(marked, {"out_indices": (2, 4), "feature_cls": "hook", "output_fmt": layout})
            getter = wrap_features(marked, {"out_indices": (2, 4), "output_fmt": layout})
            assert all(torch.equal(one, other) for one, other in zip(hooked(X), getter(X), strict=True))
