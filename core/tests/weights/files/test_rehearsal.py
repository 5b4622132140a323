"""Files that ask `torch.load` for far more memory than they have bytes."""

import io
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

needs_maps = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="Linux says what is mapped")


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
