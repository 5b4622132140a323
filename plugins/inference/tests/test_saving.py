"""Files: the same outputs in another process, and a refusal where they would be wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import zoo_core
import zoo_inference
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from zoo_core.errors import ConfigError, WeightsError, ZooError

SIZE = 32
READ = """
import sys, torch, zoo_inference
torch.set_num_threads(1)
folder = sys.argv[1]
x = torch.load(f"{folder}/x.pt")
loaded = [zoo_inference.load(f"{folder}/{name}.safetensors") for name in ("fused", "openvino")]
torch.save([(fast.report.chosen, fast(x)) for fast in loaded], f"{folder}/y.pt")
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of a model whose norms are folded."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    path = zoo_inference.save(optimised("folded"), tmp_path_factory.mktemp("saved") / "folded.safetensors")
    torch.set_num_threads(threads)
    return path


def optimised(backend: str, name: str = "test_resnet.digits", **options: Any) -> zoo_inference.Optimized:
    """An optimised model that runs with this engine, whatever is faster today."""
    net = zoo_core.create_model(name, pretrained=not options, **options).eval()
    fast = zoo_inference.optimize(net, torch.randn(1, 3, SIZE, SIZE), backends=[backend], budget_s=15)
    fast.report.chosen = backend
    return fast


def changed(path: Path, target: Path, **changes: Any) -> Path:
    """Write a copy of a file with other metadata, or other tensors."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    report = json.loads(metadata["report"])
    machine = {**report["machine"], **changes.get("machine", {})}
    report.update({name: value for name, value in changes.items() if name in report}, machine=machine)
    metadata["report"] = json.dumps(report)
    metadata |= {name: value for name, value in changes.items() if name in metadata and name != "report"}
    for name, value in changes.get("tensors", {}).items():
        tensors[name] = value
    save_file(tensors, target, metadata)
    return target


def test_another_process_reads_it(tmp_path: Path) -> None:
    x = torch.randn(3, 3, SIZE, SIZE)
    torch.save(x, tmp_path / "x.pt")
    made = {backend: optimised(backend) for backend in ("fused", "openvino")}
    for backend, fast in made.items():
        zoo_inference.save(fast, tmp_path / f"{backend}.safetensors")
    done = subprocess.run([sys.executable, "-W", "error", "-c", READ, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for (chosen, outputs), (backend, fast) in zip(torch.load(tmp_path / "y.pt"), made.items(), strict=True):
        assert chosen == backend
        assert torch.allclose(outputs, fast.original(x), atol=1e-4)


def test_an_extractor_and_a_model_of_ones_own(tmp_path: Path) -> None:
    fast = optimised("onnxruntime", "test_densenet", features_only=True, out_indices=(1, 2))
    again = zoo_inference.load(zoo_inference.save(fast, tmp_path / "maps.safetensors"))
    x = torch.randn(2, 3, SIZE, SIZE)
    assert [output.shape for output in again(x)] == [output.shape for output in fast.original(x)]

    own = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
    path = zoo_inference.save(zoo_inference.optimize(own, x, backends=["folded"]), tmp_path / "own.safetensors")
    with pytest.raises(ConfigError, match=r"load\(path, model\) takes one"):
        zoo_inference.load(path)
    other = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
    assert torch.allclose(zoo_inference.load(path, other)(x), own(x), atol=1e-5)
    with pytest.raises(WeightsError, match="does not fit Sequential"):
        zoo_inference.load(path, nn.Sequential(nn.Conv2d(3, 5, 3)))


def test_a_file_of_another_machine_is_refused(saved: Path, tmp_path: Path) -> None:
    other = changed(saved, tmp_path / "b.safetensors", machine={"threads": 64})
    with pytest.raises(ZooError, match=r"was made elsewhere: threads is 1, not 64\. Optimize the model here"):
        zoo_inference.load(other)
    assert zoo_inference.load(other, elsewhere=True).report.chosen == "folded"


def test_a_file_that_is_wrong_here_is_refused(saved: Path, tmp_path: Path) -> None:
    wrong = changed(saved, tmp_path / "b.safetensors", tensors={"check.0": torch.zeros(1, 10)})
    for elsewhere in (False, True):
        with pytest.raises(ZooError, match="computes something else here"):
            zoo_inference.load(wrong, elsewhere=elsewhere)
    wrong = changed(saved, tmp_path / "c.safetensors", chosen="openvino", tensors={"program": torch.ones(9).byte()})
    with pytest.raises(ZooError, match="runs with openvino, which refuses here"):
        zoo_inference.load(wrong)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": "zoo-inference 0"}, "no optimised model of this version"),
        ({"chosen": "os.system"}, "unknown engine 'os.system'"),
        ({"tolerance": "much"}, "no report"),
        ({"variation": []}, "no report"),
        ({"attempts": [{"name": 3}]}, "no report"),
        ({"device": "meta"}, "metadata is damaged"),
        ({"model": "{"}, "metadata is damaged"),
        ({"model": '{"architecture": "hf-hub:a/b", "options": {}}'}, "is no architecture"),
        (
            {"model": '{"architecture": "test_resnet", "options": {"checkpoint_path": "/etc/passwd"}}'},
            "checkpoint_path",
        ),
        ({"model": '{"architecture": "test_resnet", "options": {}, "out_indices": "all"}'}, "metadata is damaged"),
    ],
)
def test_metadata_is_looked_at(changes: dict[str, Any], said: str, saved: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        zoo_inference.load(changed(saved, tmp_path / "b.safetensors", **changes))


def test_what_cannot_be_saved_is_an_error(tmp_path: Path) -> None:
    fast = optimised("folded")
    with pytest.raises(ZooError, match=r"must end in \.safetensors"):
        zoo_inference.save(fast, tmp_path / "fast.pt")
    with pytest.raises(ZooError, match="there is no folder"):
        zoo_inference.save(fast, tmp_path / "nowhere" / "fast.safetensors")
    with pytest.raises(ZooError, match="is not optimised"):
        zoo_inference.save(fast.original, tmp_path / "fast.safetensors")  # type: ignore[arg-type]
    (tmp_path / "text.safetensors").write_text("no tensors")
    with pytest.raises(WeightsError):
        zoo_inference.load(tmp_path / "text.safetensors")
