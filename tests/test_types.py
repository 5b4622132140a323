"""The types that a caller sees, by mypy: those of the README's programs, and of `create_model`."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from wheels import ROOT

if TYPE_CHECKING:
    from pathlib import Path

TYPES = """
from typing import assert_type
from torch import nn


def check(flag: bool) -> None:
    assert_type(zoo.create_model("a"), nn.Module)
    assert_type(zoo.create_model("a", True, num_classes=3, features_only=False), nn.Module)
    assert_type(zoo.create_model("a", features_only=flag), nn.Module)
    assert_type(zoo.create_model("a", features_only=True, in_chans=1), zoo.FeatureExtractor)
    assert_type(zoo.create_feature_extractor(nn.ReLU(), ["a"]), zoo.FeatureExtractor)
"""


@pytest.mark.heavy
def test_the_readme_passes_a_strict_check_of_types(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    program = tmp_path / "program.py"
    program.write_text("\n".join([*blocks, TYPES]), encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(program)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
