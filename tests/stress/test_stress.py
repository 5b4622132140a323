"""A bounded part of `make stress`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COUNTS = {"files": 3500, "names": 300, "commands": 100, "transfers": 70, "rounds": 60, "images": 192, "interrupts": 7,
          "plugins": 6, "disks": 60, "clocks": 30, "proxies": 40}  # fmt: skip
FOLDERS = os.pathsep.join(str(Path(__file__).parents[2] / each) for each in ("tests", "core/tests"))


@pytest.mark.heavy
@pytest.mark.parametrize(("kind", "count"), COUNTS.items())
def test_what_is_hostile_does_no_harm(kind: str, count: int, tmp_path: Path) -> None:
    if kind == "disks":
        from stress.places import NO_PERMISSION, can_mount

        if not can_mount(tmp_path):
            pytest.skip(NO_PERMISSION)
    # One seed, so that a change and not chance fails this; `python -m stress --seed` takes others.
    command = [sys.executable, "-m", "stress", f"--{kind}", str(count), "--seed", "1"]
    environment = {**os.environ, "PYTHONPATH": FOLDERS, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
