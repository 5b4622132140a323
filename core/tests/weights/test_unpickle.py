"""Files that run code when they are read: refused, and converted on demand."""

import collections
import io
import os
import pickle
import shlex
import struct
import subprocess
import sys
import tarfile
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from zoo_core.errors import WeightsError
from zoo_core.weights.loading.state_dict import read_state_dict

STATE = {"conv.weight": torch.arange(6.0).reshape(2, 3), "bn.num_batches_tracked": torch.tensor(3)}


def write_torch_tar(path: Path, state: Any, tensors: list[torch.Tensor]) -> None:
    """A file as torch 0.1 wrote it: storages, tensors over them, and a pickle that refers to
    tensors by number."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, value: Any) -> Any:
            return next((index for index, tensor in enumerate(tensors) if tensor is value), None)

    storages, views = io.BytesIO(), io.BytesIO()
    pickle.dump(len(tensors), storages, 2)
    pickle.dump(len(tensors), views, 2)
    for index, tensor in enumerate(tensors):
        pickle.dump((100 + index, "cpu", torch.FloatStorage), storages, 2)
        storages.write(struct.pack("<q", tensor.numel()) + tensor.contiguous().numpy().tobytes())
        pickle.dump((index, 100 + index, torch.FloatTensor), views, 2)
        views.write(struct.pack("<q", tensor.dim()))
        views.write(struct.pack(f"<{2 * tensor.dim()}q", *tensor.shape, *tensor.stride()) + struct.pack("<q", 0))
    pickle.dump([], storages, 2)
    content = io.BytesIO()
    Pickler(content, 2).dump(state)
    members = {
        "sys_info": b"",
        "storages": storages.getvalue(),
        "tensors": views.getvalue(),
        "pickle": content.getvalue(),
    }
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


class Trap:
    """Unpickled, it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("kind", ["zip", "pickle", "plain", "tar", "zip in a zip"])
def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path: Path, kind: str) -> None:
    path, trap = tmp_path / "net.pth", Trap(tmp_path / "sprung")
    if kind == "plain":
        path.write_bytes(pickle.dumps({"weight": trap}))
    elif kind == "tar":
        write_torch_tar(path, {"weight": trap}, [])
    elif kind == "zip in a zip":
        torch.save({"weight": trap}, tmp_path / "inner.pth")
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(tmp_path / "inner.pth", "inner.pth")
    else:
        torch.save({"weight": trap}, path, _use_new_zipfile_serialization=kind == "zip")
    with pytest.raises(WeightsError) as caught:
        read_state_dict(path)
    assert not trap.folder.exists()
    message = str(caught.value)
    assert "is refused" in message
    assert "runs code" in message
    assert "python -m zoo_core.weights.unpickle" in message
    assert "\n" not in message


def test_the_tar_files_of_torch_0_1_are_refused_and_converted(tmp_path: Path) -> None:
    tensors = [torch.arange(6.0).reshape(2, 3), torch.ones(4)]
    state = collections.OrderedDict([("conv.weight", tensors[0]), ("bias", tensors[1])])
    write_torch_tar(tmp_path / "net.pth", state, tensors)
    with pytest.raises(WeightsError, match=r"^[^\n]*torch 0\.1 wrote it[^\n]*$") as caught:
        read_state_dict(tmp_path / "net.pth")
    _, _, command = str(caught.value).partition("convert it once: python ")
    done = subprocess.run([sys.executable, *shlex.split(command)], capture_output=True, text=True, check=False)
    assert done.stdout == f"{tmp_path / 'net.safetensors'}: 2 tensors\n", done.stderr
    loaded = read_state_dict(tmp_path / "net.safetensors")
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items())


def test_the_deliberate_way_out_converts_a_trusted_file(tmp_path: Path) -> None:
    checkpoint = {"state_dict": STATE, "lr": Fraction(1, 10)}
    torch.save(checkpoint, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=r"fractions\.Fraction"):
        read_state_dict(tmp_path / "net.pth")
    files = [str(tmp_path / "net.pth"), str(tmp_path / "net.safetensors")]
    command = [sys.executable, "-m", "zoo_core.weights.unpickle", *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == f"{files[1]}: 2 tensors\n", done.stderr
    assert torch.equal(read_state_dict(tmp_path / "net.safetensors")["conv.weight"], STATE["conv.weight"])
