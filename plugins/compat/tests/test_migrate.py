"""``zoo migrate``: each use of timm in a code base, and the imports changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from zoo_compat.migrate import rewritten, uses_in
from zoo_core import registry
from zoo_core.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Program

SOURCE = '''\
"""A training script."""
import argparse, timm
import timm.data as td
from timm.models import create_model, load_checkpoint as load
from timm.optim import create_optimizer_v2
from timm.models.layers import to_2tuple  # an old path

net = timm.create_model("vit_huge_made_up", pretrained=True)
net = create_model("resnet18.a1_in1k")
config = td.resolve_data_config({}, model=net)
loader = timm.data.create_loader
timm_like = argparse.timm
'''


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "code" / "train.py"
    path.parent.mkdir()
    path.write_text(SOURCE)
    return path


def test_every_use_is_found_and_judged(script: Path) -> None:
    found = {(use.line, use.name): use.status for use in uses_in(script)}
    assert found == {
        (3, "timm.data"): "compat",
        (4, "timm.models.create_model"): "works",
        (4, "timm.models.load_checkpoint"): "differs",
        (5, "timm.optim.create_optimizer_v2"): "timm",
        (6, "timm.models.layers.to_2tuple"): "compat",
        (8, "timm.create_model"): "works",
        (8, "vit_huge_made_up"): "zoo-timm",
        (9, "timm.models.create_model"): "works",
        (10, "timm.data.resolve_data_config"): "compat",
        (11, "timm.data.create_loader"): "timm",
    }


CLASSES = """\
from timm.models.resnet import Bottleneck, ResNet, resnet50
from timm.models.xception import Xception as Net
from timm.models.vision_transformer import VisionTransformer
from timm.models import DenseNet, resnet

class Mine(DenseNet):
    expansion = resnet.Bottleneck(64, 16).expansion

print(isinstance(net, resnet.ResNet))
print(ResNet(Bottleneck, [1, 1, 1, 1]), VisionTransformer(), resnet50(True))
"""


@pytest.mark.parametrize("bridged", [True, False])
def test_classes_of_networks_say_who_may_build_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bridged: bool
) -> None:
    path = tmp_path / "classes.py"
    path.write_text(CLASSES)
    if not bridged:
        plugins = [plugin for plugin in registry.plugins() if plugin.distribution != "zoo-timm"]
        monkeypatch.setattr("zoo_compat.migrate.plugins", lambda: plugins)
    found = {(use.line, use.name.rpartition(".")[2]): use.status for use in uses_in(path)}
    assert found == {
        (1, "Bottleneck"): "compat",
        (1, "ResNet"): "compat",
        (1, "resnet50"): "compat",
        (2, "Xception"): "compat",
        (3, "VisionTransformer"): "compat" if bridged else "zoo-timm",
        (4, "DenseNet"): "compat",
        (4, "resnet"): "compat",
        (6, "DenseNet"): "differs",
        (7, "Bottleneck"): "differs",
        (9, "ResNet"): "compat",
        (10, "ResNet"): "differs",
        (10, "VisionTransformer"): "compat" if bridged else "zoo-timm",
        (10, "resnet50"): "compat",
    }


def test_rewritten_imports_run(script: Path, program: Program) -> None:
    source = rewritten(script)
    assert source is not None
    assert "import argparse; import zoo_core.compat.timm as timm" in source
    assert "from zoo_core.compat.timm.models.layers import to_2tuple  # an old path" in source
    runnable = "".join(line + "\n" for line in source.splitlines() if "optim" not in line and "made_up" not in line)
    runnable = runnable.partition("loader =")[0].replace("resnet18.a1_in1k", "resnet10t")
    program(runnable + "print(type(net))", timm=False)


def test_the_command_reports_and_writes(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (script.parent / "broken.py").write_text("def f(:\n")
    (script.parent / "other.py").write_text("import torch\n")
    assert main(["migrate", str(script.parent), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["files"] == 3
    assert report["counts"]["timm"] == 2
    assert report["counts"]["unread"] == 1
    assert script.read_text() == SOURCE
    assert main(["migrate", str(script.parent), "--write"]) == 0
    out = capsys.readouterr().out
    assert "code in a file never runs" in out
    assert "changed the imports of" in out
    assert "zoo_core.compat.timm" in script.read_text()
    assert (script.parent / "other.py").read_text() == "import torch\n"
    assert uses_in(script) == []


def test_a_missing_path_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", str(tmp_path / "none")]) == 2
    assert "does not exist" in capsys.readouterr().err
