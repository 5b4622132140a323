"""Each row of docs/coming-from-torchvision.md: torchvision's spelling and Zoo's give the same."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import peers
import pytest
import torch
import zoo_core as zoo
import zoo_core.layers
from torch import nn

pytestmark = [
    pytest.mark.peers,
    pytest.mark.filterwarnings("ignore:.*pretrained.*:UserWarning"),
]
PAGE = (Path(__file__).parents[3] / "docs/coming-from-torchvision.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(.+)` \| `(.+)` \|$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the left and the right column may use."""
    peers.prepare()
    image = pytest.importorskip("PIL.Image").effect_noise((301, 257), 64).convert("RGB")
    import zoo_images
    from torchvision import models, ops
    from torchvision.models._utils import IntermediateLayerGetter
    from torchvision.models.detection.backbone_utils import BackboneWithFPN
    from torchvision.models.feature_extraction import create_feature_extractor

    net, path = models.resnet18(), str(tmp_path_factory.mktemp("weights") / "resnet18.pth")
    torch.save(net.state_dict(), path)
    both = {"torch": torch, "nn": nn, "path": path, "image": image, "x": torch.randn(2, 3, 64, 64)}
    both["BackboneWithFPN"] = BackboneWithFPN
    left = {"models": models, "ops": ops, "net": net, "create_feature_extractor": create_feature_extractor}
    left["IntermediateLayerGetter"] = IntermediateLayerGetter
    right = {"zoo": zoo, "zoo_core": zoo_core, "zoo_images": zoo_images, "net": zoo.create_model("resnet18")}
    return left | both, right | both


def _summary(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return tuple(value.shape)
    if isinstance(value, nn.Module):
        return {name: tuple(parameter.shape) for name, parameter in value.named_parameters()}
    if isinstance(value, dict):
        return {key: _summary(each) for key, each in value.items()}
    return value


def test_the_page_has_rows() -> None:
    assert len(ROWS) > 15


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1][:40])
def test_both_spellings_give_the_same(row: tuple[str, str], names: tuple[dict[str, Any], dict[str, Any]]) -> None:
    own = [{**known, "net": copy.deepcopy(known["net"])} for known in names]  # rows change it
    theirs, ours = (_summary(eval(word, known)) for word, known in zip(row, own, strict=True))
    assert ours == theirs
