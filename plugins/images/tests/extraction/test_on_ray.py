"""A Ray cluster of two workers on this machine gives the bytes of the local engine, also when one
is killed."""

from __future__ import annotations

import contextlib
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
if engine == "ray":
    import ray
    ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False, object_store_memory=100 << 20)
extract(source, "test_resnet.digits", output, batch_size=4, shard_size=4, workers=0, engine=engine, actors=2)
"""
MINUTES = 4 * 60


def contents(output: Path) -> dict[str, bytes]:
    return {str(path.relative_to(output)): path.read_bytes() for path in output.rglob("*") if path.is_file()}


@pytest.mark.heavy
def test_killing_a_worker_leaves_the_same_bytes(photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(photos)]
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    environment.pop("RAY_ADDRESS", None)
    subprocess.run([*command, str(tmp_path / "local"), "local"], env=environment, check=True)
    errors = tmp_path / "errors"
    with errors.open("w") as stream:
        process = subprocess.Popen(
            [*command, str(tmp_path / "ray"), "ray"], env=environment, stderr=stream, start_new_session=True
        )
    cluster: set[int] = set()
    try:
        killed = False
        now = look = time.monotonic()
        deadline = now + MINUTES
        while process.poll() is None and now < deadline:
            begun = not killed and any((tmp_path / "ray" / "features").glob("*"))
            if begun or now >= look:  # a list of processes costs the cluster a processor if made all the time
                found = descendants(process.pid)
                cluster |= set(found)
                look = now + 0.5
                killed = killed or (begun and kill_an_actor(found))
            time.sleep(0.02)
            now = time.monotonic()
        assert process.poll() == 0, errors.read_text()
    finally:
        for pid in (process.pid, *cluster):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
    assert killed, "the run ended before a worker could be killed"
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")


def descendants(parent: int) -> dict[int, str]:
    """The processes that a process started, and those that they started, with their commands."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=2) for line in listed.splitlines()[1:]]
    found: dict[int, str] = {}
    generation = {parent}
    while generation:
        born = {int(pid): command for pid, above, command in rows if int(above) in generation}
        found |= born
        generation = set(born)
    return found


def kill_an_actor(processes: dict[int, str]) -> bool:
    """Kill one of the processes that compute shards; returns whether there was one."""
    for pid, command in processes.items():
        if command.startswith("ray::") and ("MapWorker" in command or "ShardActor" in command):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return True
    return False


def test_without_ray_the_remedy_is_said(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'zoo-images\[ray\]'"):
        extract(photos, "test_resnet.digits", tmp_path / "out", workers=0, engine="ray")
    with pytest.raises(OptionError, match="there is no engine 'spark'; there are local, ray"):
        extract(photos, "test_resnet.digits", tmp_path / "out", workers=0, engine="spark")
