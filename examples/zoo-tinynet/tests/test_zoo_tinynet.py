"""The conformance kit, and what this plugin promises beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import zoo_core as zoo
from safetensors.torch import save_file
from zoo_kit.conformance import PluginConformance

if TYPE_CHECKING:
    from pathlib import Path


class TestConformance(PluginConformance):
    """Each check of the kit is a test."""

    plugin = "zoo-tinynet"


def test_a_checkpoint_of_version_0_1_loads(tmp_path: Path) -> None:
    net = zoo.create_model("tinynet_8.digits", pretrained=True)
    old_names = {"stem.0.": "conv_stem.", "stem.1.": "bn_stem.", "fc.": "classifier."}
    old = {}
    for key, tensor in net.state_dict().items():
        prefix = next((new for new in old_names if key.startswith(new)), "")
        old[old_names.get(prefix, "") + key.removeprefix(prefix)] = tensor
    save_file(old, tmp_path / "old.safetensors")
    loaded = zoo.create_model("tinynet_8", checkpoint_path=tmp_path / "old.safetensors", num_classes=10)
    for key, tensor in net.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], tensor)
