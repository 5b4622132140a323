"""Files of `torch.save`: mapped or not, what ``torch.load`` makes of them; never a call, nor much memory, for them."""

import collections
import io
import os
import pickle
import struct
import subprocess
import sys
import zipfile
import zlib
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


def test_a_table_that_holds_itself_is_no_state_dict(tmp_path: Path) -> None:
    content: dict[str, Any] = {}
    content["state_dict"] = content
    with pytest.raises(WeightsError, match="no state dict"):
        read_state_dict(saved(tmp_path / "net.pth", content))


def zipped(pickled: bytes, method: int = zipfile.ZIP_STORED, storage: bytes | None = None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("net/data.pkl", pickled)
        archive.writestr("net/version", b"3\n")
        if storage is not None:
            archive.writestr("net/data/0", storage)
    return buffer.getvalue()


def old(pickled: bytes, keys: Any = (), storages: bytes = b"") -> bytes:
    head = [pickle.dumps(each, 2) for each in (0x1950A86A20F9469CFC6C, 1001, {})]
    return b"".join([*head, pickled, pickle.dumps(list(keys), 2), storages])


def storage_of(count: int, *, view: bool = False) -> bytes:
    """The instructions for a storage ``0`` of `count` floats."""
    text = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0" + b"0X\x03\0\0\0cpu"
    return text + b"\x8a\x08" + struct.pack("<q", count) + (b"N" if view else b"") + b"tQ"


def tensor_of(storage: bytes, size: int, stride: int = 1) -> bytes:
    numbers = b"K\0\x8a\x08" + struct.pack("<q", size) + b"\x85\x8a\x08" + struct.pack("<q", stride) + b"\x85"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + numbers + b"\x89ccollections\nOrderedDict\n)RtR"


def named(value: bytes) -> bytes:
    return b"\x80\x02}X\x01\0\0\0w" + value + b"s."


MANY = 300_000
BOMBS = {
    "memo index": zipped(b"\x80\x02}r\xff\xff\xff\x0f."),
    "bytearray": zipped(named(b"cbuiltins\nbytearray\n\x8a\x05\x00\x28\x6b\xee\x00\x85R")),
    "bytearray of Python 2": zipped(named(b"c__builtin__\nbytearray\n\x8a\x05\x00\x28\x6b\xee\x00\x85R")),
    "tensor": zipped(named(b"ctorch\nFloatTensor\n\x8a\x05\x00\x28\x6b\xee\x00\x85R")),
    "untyped storage": zipped(named(b"ctorch.storage\nUntypedStorage\n\x8a\x05\x00\x28\x6b\xee\x00\x85R")),
    "storage": zipped(named(tensor_of(storage_of(10**9), 10**9)), storage=bytes(16)),
    "old storage": old(named(tensor_of(storage_of(10**9, view=True), 4)), ["0"]),
    "resized": zipped(named(tensor_of(storage_of(4), 10**9)), storage=bytes(16)),
    "old resized": old(named(tensor_of(storage_of(4, view=True), 10**9)), ["0"], struct.pack("<q", 4) + bytes(16)),
    "expanded": zipped(named(tensor_of(storage_of(4), 10**9, 0)), storage=bytes(16)),
    "codecs": zipped(named(b"c_codecs\nencode\n" * 30 + b"X\x01\0\0\0a" + b"X\x06\0\0\0utf_32\x86R" * 30)),
    "copies of a list": zipped(
        b"\x80\x02](" + b"K\x01" * 50_000 + b"eq\x01cbuiltins\nset\nq\x02" + b"h\x02h\x01\x85R" * 50_000 + b"."
    ),
    "sizes": zipped(
        b"\x80\x02(" + b"K\x01" * 50_000 + b"tq\x01ctorch\nSize\nq\x02" + b"h\x02h\x01\x85R" * 50_000 + b"."
    ),
    "copies of a copy": zipped(
        b"\x80\x02](c_codecs\nencode\nX" + struct.pack("<I", 1_000_000) + b"a" * 1_000_000 + b"X\x06\0\0\0latin1\x86R"
        b"q\x01cbuiltins\nbytearray\nq\x02h\x01\x85Rq\x03" + b"h\x02h\x03\x85R" * 300 + b"e."
    ),
    "states": zipped(
        b"\x80\x02}("
        + b"".join(b"J" + struct.pack("<i", i) + b"N" for i in range(20_000))
        + b"uq\x01ccollections\nOrderedDict\nq\x02"
        + b"h\x02)Rh\x01b" * 20_000
        + b"."
    ),
    "tables": zipped(b"\x80\x02" + b"}" * 5_000_000 + b"."),
    "a deep key": zipped(b"\x80\x02}K\x01" + b"\x85" * MANY + b"Ns."),
    "a deep list": zipped(b"\x80\x02" + b"](" * MANY + b"e" * MANY + b"."),
    "a long text": old(b"\x80\x02X\xff\xff\xff\xff."),
}


def zeros_bomb(path: Path, size: int) -> None:
    """A zip whose only storage is `size` zero bytes, compressed a thousandfold."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/data.pkl", named(tensor_of(storage_of(size // 4), size // 4)))
        with archive.open("net/data/0", "w") as record:
            for _ in range(size // 1_000_000):
                record.write(bytes(1_000_000))


CHILD = """
import resource, sys
from zoo_core.weights.files.read import read_file
from zoo_core.errors import WeightsError
import torch
torch.ones(3).sum()
limit = int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmSize"))) * 1024
resource.setrlimit(resource.RLIMIT_AS, (limit + int(sys.argv[2]),) * 2)
from pathlib import Path
for path in sorted(Path(sys.argv[1]).iterdir()):
    for mapped in (True, False):
        try:
            read_file(path, mapped=mapped)
            print(path.name, "read")
        except WeightsError as error:
            print(path.name, "damaged" if "damaged" in str(error) else "refused", str(error)[-100:])
"""


@needs_maps
def test_no_small_file_takes_much_memory_or_ends_the_process(tmp_path: Path) -> None:
    """In a process that may take 200 MB more than it has."""
    for name, content in BOMBS.items():
        (tmp_path / f"{name}.pth").write_bytes(content)
    zeros_bomb(tmp_path / "zeros.pth", 300_000_000)
    run = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path), "200000000"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    verdicts = [line.rsplit(".pth ", 1) for line in run.stdout.splitlines()]
    assert len(verdicts) == 2 * (len(BOMBS) + 1)
    assert {name for name, verdict in verdicts if verdict == "read"} <= {"memo index"}


def test_the_members_of_archives_are_held_to_the_same(tmp_path: Path) -> None:
    for name in ("net.zip", "net.tar.gz"):
        content = bytes(50_000_000)
        if name.endswith("zip"):
            with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("net.pth", content)
        else:
            header = b"net.pth".ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2
            header += b"%011o\0" % len(content) + b"0" * 11 + b"\0" + b" " * 8 + b"0" + bytes(100) + b"ustar\x0000"
            header = header.ljust(512, b"\0")
            header = header[:148] + b"%06o\0 " % sum(header) + header[156:]
            packer = zlib.compressobj(wbits=31)
            (tmp_path / name).write_bytes(packer.compress(header + content) + packer.flush())
        with pytest.raises(WeightsError, match="many times the memory"):
            read_state_dict(tmp_path / name)


def test_the_whole_of_a_checkpoint_is_read_mapped(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pth", CONTENTS["checkpoint"])
    assert read_file(path, mapped=True)["epoch"] == 3
    assert list(read_state_dict(path, mapped=True)) == ["weight"]
