"""Files of weights that are damaged, of another kind, or not there: one line."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from zoo_core.errors import WeightsError
from zoo_core.weights.loading.state_dict import read_state_dict

STATE = {"conv.weight": torch.arange(6.0).reshape(2, 3), "bn.num_batches_tracked": torch.tensor(3)}


@pytest.mark.parametrize("name", ["net.safetensors", "net.bin"])
def test_safetensors_are_known_by_their_content(tmp_path: Path, name: str) -> None:
    save_file(STATE, tmp_path / name)
    state_dict = read_state_dict(tmp_path / name)
    assert state_dict.keys() == STATE.keys()
    assert torch.equal(state_dict["conv.weight"], STATE["conv.weight"])


def test_a_truncated_safetensors_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_file({"weight": torch.ones(1000)}, path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(WeightsError, match=r"truncated or damaged, 2,000 bytes .*: copy or download it again"):
        read_state_dict(path)
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(WeightsError, match=r"truncated or damaged, 20 bytes"):
        read_state_dict(path)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "pickle"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_a_truncated_pickle_is_one_line(tmp_path: Path, zipped: bool, share: float) -> None:
    path = tmp_path / "net.pth"
    torch.save({"weight": torch.ones(10_000)}, path, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(WeightsError, match=r"^[^\n]*truncated or damaged[^\n]*$") as caught:
        read_state_dict(path)
    assert "delete" not in str(caught.value)


def test_what_this_torch_cannot_read_is_not_called_damaged(tmp_path: Path) -> None:
    """A storage of a device that is not there is a sound file for another torch."""
    path = tmp_path / "net.pth"
    torch.save({"weight": torch.ones(4)}, path)
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in records.items():
            archive.writestr(name, b"in a later version" if name.endswith("/version") else content)
    with pytest.raises(WeightsError) as caught:
        read_state_dict(path)
    message = str(caught.value)
    assert message.startswith(f"torch {torch.__version__} cannot read {path}: ")
    assert not any(word in message for word in ("damaged", "truncated", "delete", "\n"))


def test_memory_that_is_not_there_is_not_called_damage(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save({"weight": torch.ones(100_000_000, dtype=torch.uint8)}, path)
    code = f"""
import resource, torch
from zoo_core.weights.loading.state_dict import read_state_dict
torch.ones(3).sum()
size = int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmSize"))) * 1024
resource.setrlimit(resource.RLIMIT_AS, (size + 30_000_000,) * 2)
try:
    read_state_dict({str(path)!r})
except Exception as error:
    print(type(error).__name__, error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stdout, run.stderr
    assert "memory" in run.stdout.lower()
    assert "damaged" not in run.stdout


@pytest.mark.parametrize("mapped", [True, False])
def test_a_pipe_is_no_file_of_weights(tmp_path: Path, mapped: bool) -> None:
    os.mkfifo(tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="is no regular file"):
        read_state_dict(tmp_path / "net.pth", mapped=mapped)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none\.pth cannot be read: No such file"):
        read_state_dict(tmp_path / "none.pth")
