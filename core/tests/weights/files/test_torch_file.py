"""Files of `torch.save`: mapped or not, they give what ``torch.load`` makes of them, and never run
a call."""

import collections
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from zoo_core.errors import WeightsError
from zoo_core.weights.files.read import read_file
from zoo_core.weights.loading.state_dict import read_state_dict

DTYPES = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]


FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.float8_e4m3fn, torch.complex64]


def saved(path: Path, content: Any, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


def assert_same(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        assert (one.dtype, one.shape, one.requires_grad) == (other.dtype, other.shape, other.requires_grad)
        assert torch.equal(bits(one), bits(other))
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            assert_same(*pair)
    else:
        assert one == other


def bits(tensor: torch.Tensor) -> torch.Tensor:
    """Its bytes, so that any NaN equals itself."""
    return tensor.detach().resolve_neg().resolve_conj().contiguous().reshape(-1).view(torch.uint8)


CONTENTS: dict[str, Any] = {
    "dtypes": {str(dtype): torch.ones(3, 5).to(dtype) for dtype in DTYPES + FLOATS},
    "shapes": {"scalar": torch.tensor(3.0), "empty": torch.empty(0, 4), "one": torch.ones(1, 1, 7, 1)},
    "views": {
        "transposed": torch.arange(6.0).view(2, 3).t(),
        "slice": torch.arange(10.0)[3:7],
        "expanded": torch.arange(3.0).expand(4, 3),
        "channels last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    },
    "checkpoint": {
        "state_dict": collections.OrderedDict(weight=torch.ones(2)),
        "epoch": 3,
        "best": 0.5,
        "name": "net",
        "none": None,
        "list": [torch.zeros(1), [1, 2]],
        "tuple": (1, 2),
        "betas": {(1, 2): {3, 4}},
        "size": torch.Size([1, 2]),
        "counts": collections.Counter("abca"),
        "bytes": b"\x00\xff",
        "buffer": bytearray(b"ab"),
        "dtype": torch.float16,
        "device": torch.device("cpu"),
        "complex": 1 + 2j,
    },
    "gradient": {"weight": torch.ones(2, requires_grad=True), "parameter": nn.Parameter(torch.ones(2))},
    "module": nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).state_dict(),
    "signs": {
        "negative": torch._neg_view(torch.arange(4.0)),
        "conjugate": torch.tensor([1 + 2j, 3 - 4j]).conj(),
    },
}


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "pickle"])
@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize("name", CONTENTS)
def test_it_reads_what_torch_load_reads(tmp_path: Path, name: str, mapped: bool, zipped: bool) -> None:
    content = CONTENTS[name]
    if not zipped:  # which the older format knows no storage of
        content = {key: value for key, value in content.items() if key != "torch.float8_e4m3fn"}
    path = saved(tmp_path / "net.pth", content, _use_new_zipfile_serialization=zipped)
    assert_same(read_file(path, mapped=mapped), torch.load(path, "cpu", weights_only=True))


def is_mapped(tensor: torch.Tensor, path: Path) -> bool:
    """Whether the tensor's memory is the file's."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        begin, end = (int(bound, 16) for bound in line.split()[0].split("-"))
        if begin <= tensor.data_ptr() < end:
            return line.endswith(str(path))
    return False


needs_maps = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="Linux says what is mapped")


@needs_maps
def test_a_zip_is_mapped_when_asked(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pth", {"weight": torch.ones(10_000)})
    assert is_mapped(read_state_dict(path, mapped=True)["weight"], path)
    assert not is_mapped(read_state_dict(path)["weight"], path)


def rewritten(path: Path, change: Any = lambda _name, content: content, method: int = zipfile.ZIP_STORED) -> Path:
    """The archive with `change(name, bytes)` in place of each record's bytes, None for none."""
    with zipfile.ZipFile(path) as archive:
        records = [(name, change(name, archive.read(name))) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in records:
            if content is not None:
                archive.writestr(name, content)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED], ids=["compressed", "misaligned"])
@pytest.mark.parametrize("mapped", [True, False])
def test_a_zip_that_another_program_packed_gives_its_values(tmp_path: Path, method: int, mapped: bool) -> None:
    state_dict = {f"{i}": torch.randn(i, 7).round(decimals=1) for i in range(1, 40)}
    path = rewritten(saved(tmp_path / "net.pth", state_dict), method=method)
    loaded = read_state_dict(path, mapped=mapped)
    assert_same(loaded, state_dict)
    assert all(tensor.data_ptr() % 16 == 0 for tensor in loaded.values())


@pytest.mark.parametrize("mapped", [True, False])
def test_one_compressed_record_among_whole_ones_gives_its_values(tmp_path: Path, mapped: bool) -> None:
    path = saved(tmp_path / "net.pth", {"one": torch.arange(500.0), "two": torch.ones(500)})
    with zipfile.ZipFile(path) as archive:
        records = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in records:
            archive.writestr(name, content, zipfile.ZIP_DEFLATED if name.endswith("data/1") else zipfile.ZIP_STORED)
    assert_same(read_state_dict(path, mapped=mapped), {"one": torch.arange(500.0), "two": torch.ones(500)})


def test_a_zip_by_the_name_of_a_safetensors_file_is_read_by_its_content(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.safetensors", {"weight": torch.ones(3)})
    for mapped in (True, False):
        assert read_state_dict(path, mapped=mapped)["weight"].tolist() == [1, 1, 1]


def test_tensors_that_shared_memory_share_it_and_the_file_stays_as_it_was(tmp_path: Path) -> None:
    base = torch.zeros(4)
    path = saved(tmp_path / "net.pth", {"all": base, "half": base[2:]})
    before = path.read_bytes()
    mapped = read_state_dict(path, mapped=True)
    mapped["half"] += 1
    assert mapped["all"].tolist() == [0, 0, 1, 1]
    assert path.read_bytes() == before
    assert read_state_dict(path, mapped=True)["all"].tolist() == [0, 0, 0, 0]


class Call:
    """Pickled as a call of `function`."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize(
    ("content", "culprit"),
    [
        ({"weight": Call(os.mkdir, "sprung")}, "posix.mkdir"),
        ({"weight": Call(eval, "__import__('os').mkdir('sprung')")}, "builtins.eval"),
        ({"weight": Call(getattr, [], "append")}, "builtins.getattr"),
        ({"weight": nn.Linear(2, 2)}, "torch.nn.modules.linear.Linear"),
    ],
)
def test_what_asks_for_more_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: Any, culprit: str, mapped: bool
) -> None:
    path = saved(tmp_path / "net.pth", content)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match=rf"is refused.*{culprit}.*zoo_core\.weights\.unpickle"):
        read_state_dict(path, mapped=mapped)
    assert not (tmp_path / "sprung").exists()


class Trusted:
    """What a program may tell torch to trust."""


def test_what_a_program_has_told_torch_to_trust_is_read(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pth", {"state_dict": {"weight": torch.ones(1)}, "by": Trusted()})
    with pytest.raises(WeightsError, match=r"is refused.*Trusted"):
        read_state_dict(path)
    with torch.serialization.safe_globals([Trusted]):
        assert list(read_state_dict(path)) == ["weight"]


@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize(
    "change",
    [
        lambda name, content: None if name.endswith("data/0") else content,
        lambda name, content: content[:-4] if name.endswith("data/0") else content,
        lambda name, content: content[:20] if name.endswith("data.pkl") else content,
        lambda name, content: None if name.endswith("data.pkl") else content,
        # A tensor of 99 numbers where the storage has 4.
        lambda name, content: content.replace(b"K\x04\x85", b"K\x63\x85") if name.endswith("data.pkl") else content,
    ],
    ids=["no storage", "short storage", "short pickle", "no pickle", "beyond its storage"],
)
def test_a_damaged_zip_is_one_line(tmp_path: Path, change: Any, mapped: bool) -> None:
    path = rewritten(saved(tmp_path / "net.pth", {"weight": torch.ones(4)}), change)
    with pytest.raises(
        WeightsError, match=r"^[^\n]*net\.pth[^\n]*(damaged|should hold one file of weights)[^\n]*$"
    ) as e:
        read_state_dict(path, mapped=mapped)
    assert "delete" not in str(e.value)


@pytest.mark.parametrize("mapped", [True, False])
def test_a_record_that_says_to_be_longer_than_the_file_takes_no_memory(tmp_path: Path, mapped: bool) -> None:
    path = saved(tmp_path / "net.pth", {"weight": torch.ones(4)})
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02") + 20  # the first record's compressed size, in the table of contents
    content[at : at + 4] = (2**32 - 2).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="a record is longer than the archive"):
        read_file(path, mapped=mapped)


@pytest.mark.parametrize("mapped", [True, False])
def test_a_storage_that_says_it_is_a_folder_is_refused(tmp_path: Path, mapped: bool) -> None:
    """torch would leave it unread, and give whatever this process has in its memory."""
    path = saved(tmp_path / "net.pth", {"weight": torch.ones(4096)})
    content = bytearray(path.read_bytes())
    at = content.rindex(b"net/data/0") - 46 + 38  # its attributes, in the table of contents
    content[at] = 0x10
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"^[^\n]*net\.pth[^\n]*has bytes, and says that it is a folder[^\n]*$"):
        read_file(path, mapped=mapped)


def test_a_big_endian_zip_is_read_whether_mapped_or_not(tmp_path: Path) -> None:
    def swapped(name: str, content: bytes) -> bytes:
        if name.endswith("byteorder"):
            return b"big"
        return (
            torch.frombuffer(bytearray(content), dtype=torch.uint8).view(-1, 4).flip(1).numpy().tobytes()
            if (name.endswith("data/0"))
            else content
        )

    path = rewritten(saved(tmp_path / "net.pth", {"weight": torch.arange(4.0)}), swapped)
    for mapped in (True, False):
        assert read_state_dict(path, mapped=mapped)["weight"].tolist() == [0, 1, 2, 3]


FILE = io.BytesIO()


torch.save(collections.OrderedDict(a=torch.arange(4.0), b=torch.ones(2, 3)), FILE)


OLD_FILE = io.BytesIO()


torch.save({"a": torch.arange(4.0), "b": torch.ones(2, 3)}, OLD_FILE, _use_new_zipfile_serialization=False)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@settings(
    deadline=None, max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(data=st.data(), whole=st.sampled_from([FILE.getvalue(), OLD_FILE.getvalue()]), mapped=st.booleans())
def test_a_changed_byte_gives_what_torch_load_gives_or_our_error(
    tmp_path: Path, data: st.DataObject, whole: bytes, mapped: bool
) -> None:
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "net.pth"
    path.write_bytes(content)
    try:
        mine = read_file(path, mapped=mapped)
    except WeightsError:
        return
    assert_same(mine, torch.load(path, "cpu", weights_only=True, mmap=mapped and whole is FILE.getvalue()))


def test_the_whole_of_a_checkpoint_is_read_mapped(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pth", CONTENTS["checkpoint"])
    assert read_file(path, mapped=True)["epoch"] == 3
    assert list(read_state_dict(path, mapped=True)) == ["weight"]
