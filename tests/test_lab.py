"""The example of a hook plugin, in a process that has it installed: policy, history, command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import zoo_core

ROOT = Path(__file__).parents[1]
LAB = ROOT / "examples" / "lab"
NET = "import torch\ndef small(pretrained=False, **options): return torch.nn.Linear(2, 3)\n"
CONFIGS = {
    "small.free": {"url": "file:///x", "license": "mit"},
    "small.paper": {"url": "file:///x", "license": "cc-by-nc-4.0"},
}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    site = tmp_path / "site"
    row = {"constructor": "zoo_small:small", "default": "free", "tags": ["free", "paper"]}
    models = {"api": 1, "family": "small", "configs": "configs.json", "architectures": {"small": row}}
    files = {
        "zoo_small/__init__.py": NET,
        "zoo_small/models.json": json.dumps(models),
        "zoo_small/configs.json": json.dumps(CONFIGS),
        "zoo_small-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: zoo-small\nVersion: 1.0\n",
        "zoo_small-1.0.dist-info/entry_points.txt": "[zoo_core.models]\nsmall = zoo_small:models.json\n",
        "zoo_lab-0.1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: zoo-lab\nVersion: 0.1.0\n",
        "zoo_lab-0.1.0.dist-info/entry_points.txt": "[zoo_core.hooks]\nlab = zoo_lab.hooks\n",
    }
    for name, text in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    path = os.pathsep.join(map(str, (site, LAB / "src", Path(zoo_core.__file__).parents[1])))
    return {
        **os.environ,
        "PYTHONPATH": path,
        "ZOO_PLUGINS": "zoo-small,zoo-lab",
        "LAB_HISTORY": str(tmp_path / "history.jsonl"),
    }


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True)


def test_history_and_its_command(environment: dict[str, str]) -> None:
    program = "import zoo_core as zoo; zoo.create_model('small'); zoo.create_model('small.paper', pretrained=True)"
    assert run(environment, "-c", program).stderr == ""
    done = run(environment, "-m", "zoo_core.cli", "history")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "zoo-small/small.free  9 parameters",
        "zoo-small/small.paper  9 parameters  pretrained",
    ]
    assert "show the models that were created" in run(environment, "-m", "zoo_core.cli", "--help").stdout


def test_policy(environment: dict[str, str]) -> None:
    program = "import zoo_core as zoo; zoo.create_model('small.{}', pretrained=True)"
    environment["LAB_COMMERCIAL"] = "1"
    assert run(environment, "-c", program.format("free")).returncode == 0
    assert run(environment, "-c", program.format("paper")).stderr.splitlines()[-1] == (
        "zoo_core.errors.WeightsError: small.paper: its licence cc-by-nc-4.0 forbids commercial use, "
        "which is what this lab does"
    )


def test_its_metadata_is_what_the_test_writes() -> None:
    text = (LAB / "pyproject.toml").read_text()
    assert '[project.entry-points."zoo_core.hooks"]\nlab = "zoo_lab.hooks"\n' in text
