"""Files of weights as they are found in the world, and what is none."""

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
from safetensors.torch import save_file
from zoo_core.errors import WeightsError
from zoo_core.weights.loading.state_dict import read_state_dict

STATE = {"conv.weight": torch.arange(6.0).reshape(2, 3), "bn.num_batches_tracked": torch.tensor(3)}


def check(path: Path, **options: Any) -> None:
    state_dict = read_state_dict(path, **options)
    assert list(state_dict) == list(STATE)
    assert all(torch.equal(state_dict[name], tensor) for name, tensor in STATE.items())


@pytest.mark.parametrize("name", ["net.safetensors", "net.bin"])
def test_safetensors_are_known_by_their_content(tmp_path: Path, name: str) -> None:
    save_file(STATE, tmp_path / name)
    state_dict = read_state_dict(tmp_path / name)
    assert state_dict.keys() == STATE.keys()
    assert torch.equal(state_dict["conv.weight"], STATE["conv.weight"])


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "pickle"])
def test_what_torch_save_writes(tmp_path: Path, zipped: bool) -> None:
    torch.save(STATE, tmp_path / "net.pth", _use_new_zipfile_serialization=zipped)
    check(tmp_path / "net.pth")


@pytest.mark.parametrize(
    "wrapped",
    [
        {"state_dict": STATE, "epoch": 3, "optimizer": {"lr": 0.1}},
        {"model": STATE},
        {"model": {"state_dict": STATE}},
        {f"module.{name}": tensor for name, tensor in STATE.items()},
        {"state_dict": {f"module._orig_mod.{name}": tensor for name, tensor in STATE.items()}},
        collections.OrderedDict(STATE),
    ],
    ids=["checkpoint", "model", "nested", "parallel", "compiled", "ordered"],
)
def test_checkpoints_of_training_programs(tmp_path: Path, wrapped: Any) -> None:
    torch.save(wrapped, tmp_path / "checkpoint.pth.tar")
    check(tmp_path / "checkpoint.pth.tar")


def test_ema_weights_are_chosen_or_not(tmp_path: Path) -> None:
    other = {name: tensor + 1 for name, tensor in STATE.items()}
    torch.save({"state_dict": other, "state_dict_ema": STATE}, tmp_path / "ema.pth")
    check(tmp_path / "ema.pth")
    torch.save({"state_dict": STATE, "state_dict_ema": other}, tmp_path / "ema.pth")
    check(tmp_path / "ema.pth", use_ema=False)


def test_a_module_that_is_named_module_keeps_its_name(tmp_path: Path) -> None:
    torch.save({"module.weight": torch.ones(1), "bias": torch.ones(1)}, tmp_path / "net.pth")
    assert read_state_dict(tmp_path / "net.pth").keys() == {"module.weight", "bias"}


def test_wrappers_in_either_order_are_taken_off(tmp_path: Path) -> None:
    for wrappers in ("module._orig_mod.", "_orig_mod.module.", "module.module."):
        torch.save({f"{wrappers}fc.{name}": torch.ones(1) for name in ("weight", "bias")}, tmp_path / "net.pth")
        assert read_state_dict(tmp_path / "net.pth").keys() == {"fc.weight", "fc.bias"}


@pytest.mark.parametrize("inner", ["net.pth", "net.safetensors"])
@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_archives_around_one_file(tmp_path: Path, inner: str, kind: str) -> None:
    state_dict = dict(sorted(STATE.items())) if inner.endswith("safetensors") else STATE
    if inner.endswith("safetensors"):
        save_file(state_dict, tmp_path / inner)
    else:
        torch.save(state_dict, tmp_path / inner)
    path = tmp_path / f"archive.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(tmp_path / inner, inner)
    else:
        with tarfile.open(path, "w:gz" if kind == "tar.gz" else "w") as archive:
            archive.add(tmp_path / inner, inner)
            archive.add(__file__, "README.py")
    loaded = read_state_dict(path)
    assert torch.equal(loaded["conv.weight"], STATE["conv.weight"])


def write_torch_tar(path: Path, state: Any, tensors: list[torch.Tensor]) -> None:
    """A file as torch 0.1 wrote it: storages, tensors over them, and a pickle that refers to tensors by number."""

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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html><html>Not found</html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"", "is empty"),
        (b"some text", "no file of weights"),
    ],
)
def test_what_is_no_weights_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "net.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=rf"^[^\n]*net\.pth [^\n]*{message}[^\n]*$"):
        read_state_dict(tmp_path / "net.pth")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([torch.ones(1)], "holds a list"),
        ({"lr": 0.1, "weight": torch.ones(1)}, "besides tensors it has lr"),
        ({}, "no tensors"),
        ({"state_dict": {}}, "no tensors"),
    ],
)
def test_what_holds_no_state_dict_says_what_it_holds(tmp_path: Path, value: Any, message: str) -> None:
    torch.save(value, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=message):
        read_state_dict(tmp_path / "net.pth")


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


def test_names_that_are_numbers_are_one_line(tmp_path: Path) -> None:
    torch.save({1: torch.ones(1)}, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="an entry that is named 1; names are strings"):
        read_state_dict(tmp_path / "net.pth")


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none\.pth cannot be read: No such file"):
        read_state_dict(tmp_path / "none.pth")
