"""Training in several real processes, started by torchrun; the checks are in ``processes.py``."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zoo_core as zoo
from weight_server import Server
from zoo_core.weights.fetch import fetch_weights

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(__file__).with_name("processes.py")
LEAVING = Path(__file__).parents[1] / "leaving.py"
pytestmark = pytest.mark.heavy


def run(folder: Path, processes: int, *checks: str, **variables: str) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    command = [*launcher, str(LEAVING), str(PROGRAM), str(folder), *checks]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        pytest.fail(done.stderr[-6000:], pytrace=False)


def measured(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text())


def test_parallel_networks_load_and_learn_as_one_does(tmp_path: Path) -> None:
    run(tmp_path, 2, "ddp", "shards", "adapted", "refused", "classes")


def test_each_process_reads_and_holds_its_part(tmp_path: Path) -> None:
    run(tmp_path, 2, "memory")
    everyone = measured(tmp_path, "memory2")["ranks"]
    assert len(everyone) == 2
    for number, rank in enumerate(everyone):
        print(f"rank {number}: {rank}")
        assert rank["read"] < 0.52 * rank["total"]
        assert rank["read"] <= rank["read by the kernel"] < 0.52 * rank["file"]
        assert rank["peak"] < (rank["shard"] + rank["largest layer"]) * 1.1
    assert sum(rank["read"] for rank in everyone) >= everyone[0]["total"]


def test_a_checkpoint_of_some_processes_goes_on_in_others(tmp_path: Path) -> None:
    run(tmp_path, 2, "save")
    run(tmp_path, 1, "resume")
    run(tmp_path, 3, "resume", "save")
    run(tmp_path, 2, "resume")
    went_on = [measured(tmp_path, name)["of2"] for name in ("resume1", "resume3", "resume2")]
    for found in went_on:
        assert found["parameters"] == pytest.approx(measured(tmp_path, "save2")["parameters"], rel=1e-5, abs=1e-5)
    of_three = measured(tmp_path, "resume2")["of3"]["parameters"]
    assert of_three == pytest.approx(measured(tmp_path, "save3")["parameters"], rel=1e-5, abs=1e-5)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def test_one_process_of_a_machine_downloads(tmp_path: Path, server: Server) -> None:
    content = fetch_weights(zoo.get_pretrained_cfg("test_resnet.digits")).read_bytes()
    url = server.add("/digits.safetensors", content)
    overlay = {"url": url, "sha256": hashlib.sha256(content).hexdigest()}
    overlay |= {"file": None, "hf_hub_id": None, "num_classes": 10}
    (tmp_path / "source.json").write_text(json.dumps(overlay))
    run(tmp_path, 3, "download", ZOO_CACHE=str(tmp_path / "cache"))
    assert len(server.requests("/digits.safetensors")) == 1
