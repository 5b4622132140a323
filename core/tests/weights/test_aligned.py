"""Mapped files whose tensors lie misaligned: copied once, moved into place, for as long as they are what they were."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from zoo_core.cli.main import main
from zoo_core.weights.aligned import map_aligned
from zoo_core.weights.buffers import ALIGNMENT


def write(path: Path, *, shift: int = 8, value: float = 1.0, numbers: int = 1_500_000) -> Path:
    """A file of a large and a small tensor, whose data begin at `shift` past a multiple of `ALIGNMENT`."""
    save_file({"large": torch.full((numbers,), value), "small": torch.arange(3.0)}, path)
    content = path.read_bytes()
    header = content[8 : 8 + int.from_bytes(content[:8], "little")]
    header += b" " * ((shift - 8 - len(header)) % ALIGNMENT)
    path.write_bytes(len(header).to_bytes(8, "little") + header + content[-(numbers * 4 + 12) :])
    return path


def copies(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.safetensors"))


def is_mapped(tensor: torch.Tensor) -> bool:
    """Whether the tensor's memory is a mapped file's."""
    address = tensor.data_ptr()
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, *_, last = line.split()
        begin, end = (int(bound, 16) for bound in span.split("-"))
        if begin <= address < end:
            return last.endswith(".safetensors")
    return False


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="Linux says what is mapped")
@pytest.mark.parametrize("shift", [4, 8, 12])
def test_a_misaligned_file_is_mapped_by_its_copy(tmp_path: Path, shift: int) -> None:
    path = write(tmp_path / "net.safetensors", shift=shift)
    for _ in range(2):
        tensors = map_aligned(path, tmp_path / "cache")
        assert tensors["large"].data_ptr() % ALIGNMENT == 0
        assert is_mapped(tensors["large"])
        assert {name: tensor.tolist() for name, tensor in tensors.items()} == {
            name: tensor.tolist() for name, tensor in load_file(path).items()
        }
    (copy,) = copies(tmp_path / "cache")
    assert load_file(copy).keys() == tensors.keys()  # the format that it was


@pytest.mark.parametrize(("shift", "numbers"), [(0, 1_500_000), (8, 1000)])
def test_an_aligned_or_small_file_gets_no_copy(tmp_path: Path, shift: int, numbers: int) -> None:
    path = write(tmp_path / "net.safetensors", shift=shift, numbers=numbers)
    assert map_aligned(path, tmp_path / "cache")["small"].tolist() == [0, 1, 2]
    assert not copies(tmp_path / "cache")


def test_a_file_that_was_replaced_or_rewritten_is_copied_again(tmp_path: Path) -> None:
    path, cache = write(tmp_path / "net.safetensors"), tmp_path / "cache"
    old = map_aligned(path, cache)["large"]
    write(tmp_path / "new.safetensors", value=2.0).replace(path)
    assert map_aligned(path, cache)["large"][-1] == 2.0
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    write(path, value=3.0)
    os.utime(path, ns=times)  # as tools do that restore a file's times
    assert map_aligned(path, cache)["large"][-1] == 3.0
    assert len(copies(cache)) == 1
    assert old[-1] == 1.0  # mapped still


def test_what_is_trained_does_not_reach_the_copy(tmp_path: Path) -> None:
    path, cache = write(tmp_path / "net.safetensors"), tmp_path / "cache"
    map_aligned(path, cache)["large"].add_(5)
    assert map_aligned(path, cache)["large"][0] == 1.0


def test_truncating_the_users_file_does_no_harm_to_who_has_it_mapped(tmp_path: Path) -> None:
    path = write(tmp_path / "net.safetensors")
    tensors = map_aligned(path, tmp_path / "cache")
    path.write_bytes(b"")
    assert tensors["large"].sum() == 1_500_000


def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path: Path) -> None:
    path = write(tmp_path / "net.safetensors")
    (tmp_path / "cache").write_text("a file")
    tensors = map_aligned(path, tmp_path / "cache")
    assert tensors["large"].data_ptr() % ALIGNMENT == 0
    assert tensors["large"].sum() == 1_500_000


def test_the_copy_is_listed_verified_and_pruned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    map_aligned(write(tmp_path / "net.safetensors"))
    assert main(["cache", "list"]) == 0
    assert "net.safetensors" in capsys.readouterr().out
    assert main(["cache", "verify"]) == 0
    assert "1 of 1 files are as they were fetched" in capsys.readouterr().out
    assert main(["cache", "prune", "net"]) == 0
    assert not copies(tmp_path / "cache")
