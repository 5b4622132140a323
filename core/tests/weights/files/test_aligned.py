"""Mapped files whose tensors lie misaligned: copied once, moved into place, for as long as they are
what they were."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file, save_file
from zoo_core.cli.main import main
from zoo_core.errors import WeightsError
from zoo_core.weights.files.aligned import map_aligned
from zoo_core.weights.files.mapping import ALIGNMENT


def write(path: Path, *, shift: int = 8, value: float = 1.0, numbers: int = 1_500_000) -> Path:
    """A file of a large and a small tensor, whose data begin at `shift` past a multiple of
    `ALIGNMENT`."""
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


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="Linux says what is mapped")
def test_tensors_that_odd_ones_move_out_of_place_are_mapped_by_a_copy_in_another_order(tmp_path: Path) -> None:
    sizes = {"first": 1_000_000, "odd": 3, "second": 1_000_000, "odder": 10, "third": 1_000_000, "none": 0}
    state = {name: torch.arange(size, dtype=torch.float32) for name, size in sizes.items()}
    path = tmp_path / "net.safetensors"
    save_file({**state, "count": torch.tensor(7)}, path)
    for _ in range(2):
        tensors = map_aligned(path, tmp_path / "cache")
        assert all(is_mapped(tensors[name]) for name in ("first", "second", "third"))
        assert all(tensor.data_ptr() % ALIGNMENT == 0 for tensor in tensors.values())
        assert {name: tensor.tolist() for name, tensor in tensors.items()} == {
            name: tensor.tolist() for name, tensor in load_file(path).items()
        }
    (copy,) = copies(tmp_path / "cache")
    assert load_file(copy).keys() == tensors.keys()


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


def damaged(copy: Path, how: str) -> None:
    """Spoil a copy, keeping its size and times where that is what is tried."""
    status = copy.stat()
    content = copy.read_bytes()
    if how == "truncated":
        copy.write_bytes(content[:1000])
    elif how == "empty":
        copy.write_bytes(b"")
    elif how == "zeros":
        copy.write_bytes(bytes(len(content)))
    elif how == "another header":
        copy.write_bytes(content.replace(b'"large"', b'"small"').replace(b'"small"', b'"large"', 1))
        os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif how == "no receipt":
        copy.with_name(f"{copy.name}.receipt").unlink()
    else:
        copy.with_name(f"{copy.name}.receipt").write_text("{}")


@pytest.mark.parametrize("how", ["truncated", "empty", "zeros", "another header", "no receipt", "empty receipt"])
def test_a_damaged_copy_is_made_anew(tmp_path: Path, how: str) -> None:
    path, cache = write(tmp_path / "net.safetensors", value=2.0), tmp_path / "cache"
    map_aligned(path, cache)
    (copy,) = copies(cache)
    whole = copy.read_bytes()
    damaged(copy, how)
    tensors = map_aligned(path, cache)
    assert tensors["large"].min() == tensors["large"].max() == 2.0
    assert tensors["small"].tolist() == [0, 1, 2]
    assert copy.read_bytes() == whole
    assert len(copies(cache)) == 1


ROUND = """
import sys, threading
from pathlib import Path
from zoo_core.weights.files.aligned import map_aligned
path, cache, wrong = Path(sys.argv[1]), sys.argv[2], []
def load():
    large = map_aligned(path, cache)["large"]
    if large.min() != 3 or large.max() != 3:
        wrong.append(large)
sys.stdin.readline()
threads = [threading.Thread(target=load) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
sys.exit(len(wrong))
"""


def test_threads_and_processes_that_make_one_copy_read_its_values(tmp_path: Path) -> None:
    path = write(tmp_path / "net.safetensors", value=3.0)
    command = [sys.executable, "-c", ROUND, str(path), str(tmp_path / "cache")]
    runs = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(2)]
    for run in runs:
        assert run.stdin
        run.stdin.close()  # which starts it
    assert [run.wait(120) for run in runs] == [0, 0]
    assert len(copies(tmp_path / "cache")) == 1
    assert not list((tmp_path / "cache").rglob("*.tmp"))


def test_two_writers_of_one_process_number_do_not_meet(tmp_path: Path) -> None:
    """As in two containers, which may share a cache and not its locks."""
    path, cache = write(tmp_path / "net.safetensors", value=3.0), tmp_path / "cache"
    map_aligned(path, cache)
    (copy,) = copies(cache)
    other = copy.with_name(f"{copy.name}.{os.getpid()}.tmp")
    other.write_bytes(b"what another process with this number is writing")
    copy.unlink()
    assert map_aligned(path, cache)["large"].max() == 3.0
    assert other.read_bytes().startswith(b"what another")


def test_a_file_that_is_replaced_all_the_time_is_read_as_one_or_the_other(tmp_path: Path) -> None:
    path, cache = write(tmp_path / "net.safetensors"), tmp_path / "cache"
    stop = threading.Event()

    def replace() -> None:
        value = 1.0
        while not stop.is_set():
            value += 1
            # Another header each time, so that one's offsets are wrong in the other.
            write(tmp_path / "new", value=value, numbers=1_500_000 + int(value) % 7 * 1000).replace(path)

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        for _ in range(40):
            tensors = map_aligned(path, cache)
            assert tensors["large"].min() == tensors["large"].max()
            assert tensors["small"].tolist() == [0, 1, 2]
    finally:
        stop.set()
        thread.join()


def test_a_process_that_is_killed_leaves_what_prune_removes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, cache = write(tmp_path / "net.safetensors"), tmp_path / "cache"
    code = f"""
import os, shutil
from pathlib import Path
from zoo_core.weights.files.aligned import map_aligned
copy = shutil.copyfileobj
def killed(source, target, length):
    target.write(source.read(1000))
    target.flush()
    os.kill(os.getpid(), 9)
shutil.copyfileobj = killed
map_aligned(Path({str(path)!r}), {str(cache)!r})
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert map_aligned(path, cache)["large"].max() == 1.0
    (left,) = cache.rglob("*.tmp")
    assert main(["cache", "list", "--cache-dir", str(cache)]) == 0
    assert re.search(r"aligned/.* +1\.\d KB +leftover", capsys.readouterr().out)
    with FileLock(copies(cache)[0].with_name("net.safetensors.lock")):  # somebody is writing
        assert main(["cache", "remove", "--cache-dir", str(cache)]) == 0
        assert left.exists()
    assert main(["cache", "remove", "--cache-dir", str(cache)]) == 0
    assert not left.exists()
    assert len(copies(cache)) == 1


def test_a_damaged_original_is_the_one_that_is_named(tmp_path: Path) -> None:
    path, cache = write(tmp_path / "net.safetensors"), tmp_path / "cache"
    map_aligned(path, cache)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsError) as caught:
        map_aligned(path, cache)
    assert str(caught.value).startswith(f"{path} is truncated or damaged")
    assert "delete" not in str(caught.value)


def test_the_copy_is_listed_verified_and_pruned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    map_aligned(write(tmp_path / "net.safetensors"))
    assert main(["cache", "list"]) == 0
    assert "net.safetensors" in capsys.readouterr().out
    assert main(["cache", "verify"]) == 0
    assert "1 of 1 files are as they were fetched" in capsys.readouterr().out
    assert main(["cache", "remove", "net"]) == 0
    assert not copies(tmp_path / "cache")


def test_a_copy_that_others_could_have_planted_is_not_read(tmp_path: Path) -> None:
    path, cache = write(tmp_path / "net.safetensors", value=1.0), tmp_path / "cache"
    map_aligned(path, cache)
    (copy,) = copies(cache)
    content, status = copy.read_bytes(), copy.stat()
    copy.write_bytes(content.replace(torch.ones(1).numpy().tobytes(), torch.full((1,), 7.0).numpy().tobytes()))
    os.utime(copy, ns=(status.st_mtime_ns, status.st_mtime_ns))
    copy.parent.chmod(0o777)
    assert map_aligned(path, cache)["large"][0] == 1
    for each in (copy, copy.with_name(f"{copy.name}.receipt")):
        each.unlink()
    assert map_aligned(path, cache)["large"][0] == 1
    assert not copies(cache), "none is put where others could change it"
