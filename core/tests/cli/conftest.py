"""The real command in a process of its own, with one plugin that the tests write: core alone has no
models."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zoo_core
from commands import run_command

if TYPE_CHECKING:
    import subprocess

Zoo = Callable[..., "subprocess.CompletedProcess[str]"]

PLUGIN = """
from torch import nn


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(4, 8, 3, stride=2, padding=1)
        self.feature_info = [
            dict(num_chs=4, reduction=2, module="conv1"),
            dict(num_chs=8, reduction=4, module="conv2"),
        ]

    def forward(self, x):
        return self.conv2(self.conv1(x)).mean((2, 3))


def tinynet(pretrained=False, **options):
    from zoo_core import build_model_with_cfg

    return build_model_with_cfg(Tiny, "tinynet", pretrained, **options)
"""


@pytest.fixture(scope="session")
def tiny_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the path, in which the distribution ``zoo-tiny`` is installed."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "zoo_tiny.py").write_text(PLUGIN)
    info = folder / "zoo_tiny-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo-tiny\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[zoo_core.models]\ntinynet = zoo_tiny:tinynet\n")
    return folder


@pytest.fixture(scope="session")
def environment(tiny_site: Path) -> dict[str, str]:
    """The environment of a process that sees core and the plugin."""
    source = Path(zoo_core.__file__).parents[1]
    path = os.pathsep.join(filter(None, [str(tiny_site), str(source), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "error"}


@pytest.fixture(scope="session")
def zoo(environment: dict[str, str]) -> Zoo:
    """Run the command with some arguments."""

    def run(*argv: object) -> subprocess.CompletedProcess[str]:
        return run_command(*map(str, argv), env=environment)

    return run
