"""timm's own tests of its models, run with Zoo in timm's place, nothing shimmed."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TIMM = "1.0.31"
# One tiny model of each family. All architectures take hours.
MODELS = ("test_resnet", "test_densenet", "test_xception", "test_cspnet")
# These download weights, which a test run has no business to do.
OF_THE_NETWORK = ("test_model_inference", "test_model_load_pretrained", "test_model_features_pretrained")
PROGRAM = """
import sys
sys.path.insert(0, {tests!r})
import peers
peers.prepare()
import torch
torch.set_num_threads(1)
import zoo_compat
zoo_compat.install()
import pytest
arguments = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-W", "ignore", "-c", "/dev/null", "--tb=line"]
sys.exit(pytest.main([*arguments, "--rootdir", {folder!r}, {file!r}, "-k", {wanted!r}]))
"""


@pytest.mark.exhaustive
@pytest.mark.peers
def test_timms_own_tests_pass(tmp_path: Path) -> None:
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    # Its own build backend is not needed to unpack it, but pip asks it for the name.
    got = subprocess.run([*download, "-d", str(tmp_path), f"timm=={TIMM}"], capture_output=True, text=True, timeout=300)
    if got.returncode:
        pytest.skip(f"the source of timm {TIMM} cannot be had: {got.stderr.strip().splitlines()[-1][:200]}")
    with tarfile.open(tmp_path / f"timm-{TIMM}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / f"timm-{TIMM}"
    wanted = f"({' or '.join(MODELS)}) and not ({' or '.join(OF_THE_NETWORK)})"
    program = PROGRAM.format(
        tests=str(ROOT / "tests"), folder=str(folder), file=str(folder / "tests" / "test_models.py"), wanted=wanted
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    # Of each model: forward, backward, configs, features, intermediates, pruning, script, fx.
    assert passed is None or int(passed[1]) > 8 * len(MODELS), done.stdout[-500:]
