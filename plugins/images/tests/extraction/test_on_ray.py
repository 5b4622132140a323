"""A Ray cluster of two workers on this machine gives the bytes of the local engine, also when one
is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from zoo_core.errors import MissingExtraError, OptionError
from zoo_images import extract

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import sys
from zoo_images import extract
source, output, engine = sys.argv[1:]
extract(source, "test_resnet.digits", output, batch_size=4, shard_size=4, workers=0, engine=engine, actors=2)
"""


def contents(output: Path) -> dict[str, bytes]:
    return {str(path.relative_to(output)): path.read_bytes() for path in output.rglob("*") if path.is_file()}


@pytest.mark.heavy
def test_killing_a_worker_leaves_the_same_bytes(photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(photos)]
    subprocess.run([*command, str(tmp_path / "local"), "local"], check=True)
    process = subprocess.Popen([*command, str(tmp_path / "ray"), "ray"], stderr=subprocess.PIPE, text=True)
    killed = None
    while process.poll() is None and not killed:
        if list((tmp_path / "ray" / "features").glob("*")):
            killed = kill_an_actor()
        time.sleep(0.01)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert killed, "the run ended before a worker could be killed"
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")


def kill_an_actor() -> int | None:
    """Kill a process that computes shards. Returns its id."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        pid, _, words = line.strip().partition(" ")
        if "ray::" in words and ("MapWorker" in words or "ShardActor" in words):
            os.kill(int(pid), signal.SIGKILL)
            return int(pid)
    return None


def test_without_ray_the_remedy_is_said(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'zoo-images\[ray\]'"):
        extract(photos, "test_resnet.digits", tmp_path / "out", workers=0, engine="ray")
    with pytest.raises(OptionError, match="there is no engine 'spark'; there are local, ray"):
        extract(photos, "test_resnet.digits", tmp_path / "out", workers=0, engine="spark")
