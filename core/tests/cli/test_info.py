"""``zoo info``: what is known of a model, of whatever kind, and nothing that is not."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PLUGIN = '''
import torch
from torch import nn
from zoo_core import build_model_with_cfg
from zoo_core.config import PretrainedCfg
from zoo_core.family import Family


class Layouts(nn.Module):
    """One map of each layout, by hooks: NCHW, NHWC, tokens."""

    def __init__(self, num_classes=10, in_chans=3):
        super().__init__()
        self.conv = nn.Conv2d(in_chans, 6, 4, stride=4)
        self.last = nn.LayerNorm(6)
        self.tokens = nn.LayerNorm(6)
        self.head = nn.Linear(6, num_classes) if num_classes else nn.Identity()
        self.num_classes = num_classes
        self.feature_info = [
            dict(num_chs=6, reduction=4, module="conv"),
            dict(num_chs=6, reduction=4, module="last"),
            dict(num_chs=6, reduction=4, module="tokens"),
        ]

    def get_classifier(self):
        return self.head

    def forward(self, x):
        x = self.last(self.conv(x).permute(0, 2, 3, 1))
        return self.head(self.tokens(x.flatten(1, 2)).mean(1))


FAMILY = Family(
    name="layouts", package=__name__, network=f"{__name__}:Layouts", architectures={"layouts": None},
    pretrained={"layouts": PretrainedCfg(input_size=(3, 64, 96), fixed_input_size=True, num_classes=10)},
    feature_cfg={"feature_cls": "hook"},
)


def __getattr__(name):
    return FAMILY.constructor(name)
'''


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Callable[..., object]:
    """The command, with a plugin of one network with maps of each layout."""
    folder = tmp_path_factory.mktemp("layouts")
    (folder / "zoo_layouts").mkdir()
    (folder / "zoo_layouts" / "__init__.py").write_text(PLUGIN)
    info = folder / "zoo_layouts-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo-layouts\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[zoo_core.models]\nlayouts = zoo_layouts:models.json\n")
    environment = {**environment, "PYTHONPATH": f"{folder}:{environment['PYTHONPATH']}"}
    run([sys.executable, "-m", "zoo_core.cli", "manifest", "zoo_layouts"], environment)
    return lambda *argv: run([sys.executable, "-m", "zoo_core.cli", "info", "layouts", *argv], environment)


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.heavy
def test_the_maps_of_every_layout_have_their_channels_and_size(layouts: Callable[..., object]) -> None:
    done = layouts("--build", "--json")
    assert done.stderr == ""
    maps = json.loads(done.stdout)["network"]["feature_maps"]
    assert [row["channels"] for row in maps] == [6, 6, 6]
    assert [(row["height"], row["width"]) for row in maps] == [(16, 24), (16, 24), (None, None)]
    assert [line.split("4 ")[-1].strip() for line in layouts("--build").stdout.splitlines()[-3:]] == [
        "16 x 24", "16 x 24", "tokens"
    ]  # fmt: skip


def test_a_network_of_one_size_says_so(layouts: Callable[..., object]) -> None:
    done = layouts("--input-size", "128")
    assert done.returncode == 2
    assert done.stderr == "zoo: error: 'layouts' takes images of 64 x 96 alone, not of 128 x 128\n"
    assert layouts("--input-size", "64x96").returncode == 0


def test_a_plugin_that_publishes_no_config_gets_no_facts(zoo: Callable[..., object]) -> None:
    done = zoo("info", "tinynet")
    assert "not stated by its plugin" in done.stdout
    for invented in ("224", "0.485", "1,000", "bicubic"):
        assert invented not in done.stdout
    assert json.loads(zoo("info", "tinynet", "--json").stdout)["config"] is None


def test_no_word_of_numpy_where_it_is_not_installed(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise ModuleNotFoundError(\"No module named 'numpy'\", name='numpy')")
    without = {**environment, "PYTHONPATH": f"{tmp_path}:{environment['PYTHONPATH']}", "PYTHONWARNINGS": "default"}
    done = run([sys.executable, "-m", "zoo_core.cli", "info", "tinynet", "--build"], without)
    assert (done.returncode, done.stderr) == (0, "")
