"""timm's own tests of its models, run with Zoo in timm's place, nothing shimmed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[1] / "tools" / "timm_suite.py"
# One tiny model of each family.
SAMPLE = ("test_resnet", "test_densenet", "test_xception", "test_cspnet")


def _run(folder: Path, *options: str, timeout: int) -> Counter[str]:
    """Run the tool, and return how many tests ended how."""
    file = folder / "suite.jsonl"
    command = [sys.executable, TOOL, file, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    if "DownloadError" in done.stderr:
        pytest.skip(done.stderr.strip().splitlines()[-1][:300])
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    return Counter(json.loads(line)["outcome"] for line in file.read_text().splitlines())


@pytest.mark.heavy
@pytest.mark.peers
def test_timms_own_tests_pass_on_a_model_of_each_family(tmp_path: Path) -> None:
    counts = _run(tmp_path, "--models", *SAMPLE, timeout=600)
    # Of each model: forward, backward, configs, features, intermediates, pruning, script, fx.
    assert counts["passed"] > 10 * len(SAMPLE)


@pytest.mark.exhaustive
@pytest.mark.peers
def test_timms_own_tests_pass_on_every_architecture(tmp_path: Path) -> None:
    assert _run(tmp_path, timeout=6 * 3600)["passed"] > 1000
