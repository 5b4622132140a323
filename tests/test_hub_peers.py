"""The Hub's repositories and its cache are shared with timm, in both directions."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import torch
from peers import prepare
from safetensors.torch import save
from weight_server import Server
from zoo_core.config import PretrainedCfg
from zoo_core.weights.fetch import fetch_weights
from zoo_core.weights.hub.hub_config import read_hub_config
from zoo_core.weights.hub.repository import save_for_hub
from zoo_core.weights.loading.state_dict import read_state_dict

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.peers

NAME = "test_resnet.r160_in1k"


@pytest.fixture(scope="module")
def timm():
    prepare()
    return pytest.importorskip("timm")


def test_reads_what_timm_saves(timm, tmp_path: Path) -> None:
    net = timm.create_model("test_resnet", num_classes=7)
    timm.models.save_for_hf(net, str(tmp_path), model_args={"act_layer": "silu"})
    model = read_hub_config(f"local-dir:{tmp_path}")
    cfg = model.pretrained_cfg
    assert (model.architecture, cfg.num_classes, cfg.input_size) == ("test_resnet", 7, (3, 160, 160))
    assert cfg.classifier == net.pretrained_cfg["classifier"]
    assert model.model_args["act_layer"] == "silu"
    assert read_state_dict(fetch_weights(cfg)).keys() == net.state_dict().keys()


def test_timm_reads_what_is_saved_here(timm, tmp_path: Path) -> None:
    net = timm.create_model("test_resnet", num_classes=7)
    names = PretrainedCfg(label_names=("a", "b"), input_size=(3, 96, 96), first_conv="conv1.0", classifier="fc")
    net.pretrained_cfg = names.overlaid({"architecture": "test_resnet", "url": "https://elsewhere.example"}).to_dict()
    net.eval()
    save_for_hub(net, tmp_path)
    theirs = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    assert list(theirs.pretrained_cfg["input_size"]) == [3, 96, 96]
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(net(image), theirs(image))


def test_what_timm_has_fetched_is_not_fetched_again(timm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    try:
        content = save(timm.create_model("test_resnet").state_dict())
        server.add_repository(f"timm/{NAME}", {"model.safetensors": content})
        code = (
            "import sys; from peers import prepare; prepare();"
            f"import timm; timm.create_model('{NAME}', pretrained=True)"
        )
        environment = {**os.environ, "HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path)}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=120)
        assert server.requests()
        asked = len(server.log)
        monkeypatch.setenv("HF_HOME", str(tmp_path))
        path = fetch_weights(PretrainedCfg(hf_hub_id=f"timm/{NAME}"), cache_dir=None)
        assert path.read_bytes() == content
        assert len(server.log) == asked
    finally:
        server.close()
