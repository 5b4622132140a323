"""The keys of extractors' state dicts: the network's own, or timm's on request. Both load."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING

import peers
import pytest
import torch
import zoo_core as zoo
from torch import nn
from zoo_core.errors import OptionError

if TYPE_CHECKING:
    from pathlib import Path

peers.prepare()
timm = pytest.importorskip("timm")
pytestmark = pytest.mark.peers

ARCHITECTURES = ("resnet10t", "densenet121", "cs3darknet_s", "cspdarknet53", "legacy_xception", "xception41")
KINDS = (None, "hook", "fx", "getter")
# timm takes some Sequentials apart, and puts the whole network below a name elsewhere.
FAR = (("test_resnet", "hook"), ("cs3darknet_focus_s", None))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_timms_keys_are_timms(name: str, kind: str | None) -> None:
    with torch.device("meta"):
        theirs = timm.create_model(name, features_only=True, feature_cls=kind) if kind else _plain(name)
        mine = zoo.create_model(name, features_only=True, feature_cls=kind, state_dict_names="timm")
    assert sorted(mine.state_dict()) == sorted(theirs.state_dict())
    plain = zoo.create_model(name, features_only=True, feature_cls=kind, device="meta")
    assert [key for key, _ in mine.named_parameters()] == [key for key, _ in plain.named_parameters()]


def test_a_list_asked_for_keeps_names_where_timms_default_would_not() -> None:
    options = {"features_only": True, "out_indices": (0,), "feature_cls": "list"}
    theirs = timm.create_model("legacy_xception", **options)
    mine = zoo.create_model("legacy_xception", state_dict_names="timm", **options)
    theirs.load_state_dict(mine.state_dict())
    assert torch.equal(theirs.eval()(images := torch.ones(1, 3, 32, 32))[0], mine.eval()(images)[0])
    by_default = zoo.create_model("legacy_xception", features_only=True, out_indices=(0,), state_dict_names="timm")
    assert all(key.startswith("body.") for key in by_default.state_dict())


def _plain(name: str) -> nn.Module:
    return timm.create_model(name, features_only=True)


@pytest.mark.parametrize(("name", "kind"), FAR)
def test_a_segmentation_model_trained_on_timms_encoder_loads(name: str, kind: str | None, tmp_path: Path) -> None:
    options = {"features_only": True, "out_indices": (0, 1, 2, 3, 4), **({"feature_cls": kind} if kind else {})}
    theirs = timm.create_model(name, **options).eval()
    mine = zoo.create_model(name, **options).eval()
    within = nn.ModuleDict({"encoder": mine, "head": nn.Linear(2, 2)})
    within.load_state_dict(nn.ModuleDict({"encoder": theirs, "head": nn.Linear(2, 2)}).state_dict())
    images = torch.randn(1, 3, 64, 64)
    for got, expected in zip(mine(images), theirs(images), strict=True):
        assert torch.equal(got, expected)
    path = tmp_path / "encoder.pth"
    torch.save(theirs.state_dict(), path)
    fresh = zoo.create_model(name, **options).eval()
    zoo.load_checkpoint(fresh, path)
    assert torch.equal(fresh(images)[-1], theirs(images)[-1])


def test_what_zoo_writes_with_timms_keys_loads_into_timm_and_back() -> None:
    options = {"features_only": True, "out_indices": (1, 3)}
    mine = zoo.create_model("test_densenet", state_dict_names="timm", **options)
    written = nn.Sequential(mine).state_dict()
    assert all(key.startswith("0.features_") for key in written)
    plain = zoo.create_model("test_densenet", **options)
    nn.Sequential(plain).load_state_dict(written)
    assert all(map(torch.equal, mine.state_dict().values(), plain.state_dict().values()))
    for twin in (copy.deepcopy(mine), pickle.loads(pickle.dumps(mine))):
        assert list(twin.state_dict()) == list(mine.state_dict())
    theirs = timm.create_model("resnet10t", feature_cls="hook", features_only=True)
    theirs.load_state_dict(
        zoo.create_model("resnet10t", feature_cls="hook", features_only=True, state_dict_names="timm").state_dict()
    )


def test_keys_of_neither_are_an_error_as_ever() -> None:
    mine = zoo.create_model("test_resnet", features_only=True)
    state_dict = mine.state_dict()
    with pytest.raises(RuntimeError, match=r"Unexpected.*body\.nonsense"):
        mine.load_state_dict({**state_dict, "body.nonsense.weight": torch.zeros(1)})
    # A tensor under both names is one too many, and the network's own name is the one that counts.
    with pytest.raises(RuntimeError, match=r"body\.bn1\.weight"):
        mine.load_state_dict({"body.bn1.weight": state_dict["bn1.weight"], **state_dict})
    with pytest.raises(OptionError, match="state_dict_names 'torch'"):
        zoo.create_model("test_resnet", features_only=True, state_dict_names="torch")
    for name in ("test_resnet", "zoo-timm/test_vit", "zoo-torchvision/resnet18"):
        with pytest.raises(OptionError, match=r"state_dict_names.* features_only"):
            zoo.create_model(name, state_dict_names="timm", device="meta")
    with pytest.raises(OptionError, match="with the keys of 'timm'"):
        zoo.create_model("zoo-timm/test_vit", features_only=True, state_dict_names="zoo")


@pytest.mark.parametrize("bridge", ["zoo-timm", "zoo-torchvision"])
def test_bridged_extractors_have_timms_keys_too(bridge: str) -> None:
    options = {"features_only": True, "feature_cls": "hook"}
    theirs = timm.create_model("resnet18", **options)
    mine = zoo.create_model(f"{bridge}/resnet18", state_dict_names="timm", **options)
    keys = {key for key in theirs.state_dict() if not key.startswith("body.fc.")}  # zoo-torchvision's drops it
    assert keys <= {*mine.state_dict()} <= {*theirs.state_dict()}
