"""Mutated files of weights, each read by Zoo and by the library whose format it is."""

from __future__ import annotations

import collections
import io
import json
import os
import pickle
import random
import resource
import struct
import sys
import tarfile
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch
from stress.tally import Tally
from zoo_core.errors import WeightsError
from zoo_core.weights.files.read import read_file

if TYPE_CHECKING:
    from collections.abc import Callable

MEMORY = 256_000_000
"""Bytes that reading one may take; the files have a few thousand."""
FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect", "os.mkdir", "os.rename",
             "os.remove", "os.symlink", "os.link", "os.chmod", "shutil.rmtree", "os.putenv", "pty.spawn")  # fmt: skip
_NUMBERS = [0, 1, 7, 127, 128, 255, 256, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**63 - 1, 2**63, 2**64 - 1]
_PIECES = [b"", b"0", b"-1", b"1e9", b"null", b'"F16"', b'"F64"', b'"BOOL"', b'"__metadata__"', b"{", b"}", b"[", b"]",
           b",", b":", b'"', b"\\u0000", b"\\ud800", b"NaN", b"\xff", b"\x00" * 8, b"\xff" * 8, b"[" * 300,
           b"18446744073709551615", b"9007199254740993", b"0,0", b" " * 64]  # fmt: skip


def samples() -> dict[str, bytes]:
    """A small file of each format."""
    tensors = {
        "conv.weight": torch.arange(24.0).reshape(2, 3, 2, 2),
        "bn.count": torch.tensor(3),
        "half": torch.ones(3, dtype=torch.bfloat16),
        "flag": torch.tensor([True, False]),
        "empty": torch.empty(0, 4),
    }
    checkpoint = {"state_dict": collections.OrderedDict(tensors), "epoch": 3, "args": {"lr": 0.1}}
    found = {"safetensors": safetensors.torch.save(tensors, {"format": "pt"})}
    for name, content, zipped in (("zip", tensors, True), ("checkpoint", checkpoint, True), ("pickle", tensors, False)):
        buffer = io.BytesIO()
        torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
        found[name] = buffer.getvalue()
    for name, inner in (("tar of safetensors", "safetensors"), ("tar of zip", "zip")):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            info = tarfile.TarInfo(f"net.{'safetensors' if inner == 'safetensors' else 'pth'}")
            info.size = len(found[inner])
            archive.addfile(info, io.BytesIO(found[inner]))
        found[name] = buffer.getvalue()
    return found


def pickled(draw: random.Random) -> bytes:
    """The zip of a pickle of drawn instructions: some of every family, some that call functions."""
    names = ["os system", "builtins eval", "builtins exec", "builtins getattr", "posix mkdir", "subprocess Popen",
             "torch._utils _rebuild_tensor_v2", "torch FloatStorage", "collections OrderedDict", "torch device",
             "torch.nn.modules.linear Linear", "builtins bytearray", "torch Size", "operator attrgetter",
             "pathlib Path", "_codecs encode", "torch._utils _rebuild_parameter", "numpy dtype"]  # fmt: skip
    opcodes = [bytes([code]) for code in range(256)]
    out = [b"\x80\x02"]
    for _ in range(draw.randint(1, 30)):
        kind = draw.random()
        if kind < 0.25:
            module, name = draw.choice(names).split()
            out.append(f"c{module}\n{name}\n".encode())
        elif kind < 0.4:
            text = draw.choice([b"mkdir sprung", b"a", b"cpu", b"x" * 200])
            out.append(b"X" + struct.pack("<I", len(text)) + text)
        elif kind < 0.5:
            out.append(b"J" + struct.pack("<i", draw.choice([-1, 0, 3, 2**31 - 1])))
        elif kind < 0.8:
            out.append(draw.choice([b"(", b")", b"]", b"}", b"t", b"\x85", b"R", b"b", b"s", b"u", b"a", b"e", b"Q",
                                    b"q\x00", b"h\x00", b"\x86", b"\x87", b"N", b"\x88", b"2", b"0", b"1", b"o", b"i",
                                    b"\x81", b"\x92", b"\x93", b"\x8f", b"\x90", b"\x91", b"l", b"d"]))  # fmt: skip
        else:
            out.append(draw.choice(opcodes))
    out.append(b".")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in (("data.pkl", b"".join(out)), ("byteorder", b"little"), ("data/0", bytes(96)),
                              ("version", b"3\n")):  # fmt: skip
            archive.writestr(f"net/{name}", content)
    return buffer.getvalue()


def mutated(content: bytes, draw: random.Random) -> bytes:
    """Change a file: bits, numbers, pieces, spans; cut it or add to it; or edit its header."""
    data = bytearray(content)
    for _ in range(draw.choice([1, 1, 1, 2, 4, 16])):
        if not data:
            break
        at = draw.randrange(len(data))
        kind = draw.randrange(8)
        if kind == 0:
            data[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            data[at] = draw.randrange(256)
        elif kind == 2:
            data[at : at + 8] = struct.pack("<Q", draw.choice(_NUMBERS))
        elif kind == 3:
            data[at : at + draw.randrange(6)] = draw.choice(_PIECES)
        elif kind == 4:
            del data[at : at + draw.choice([1, 8, 64, len(data)])]
        elif kind == 5:
            start = draw.randrange(len(data))
            data[at:at] = data[start : start + draw.choice([1, 8, 64])]
        elif kind == 6:
            data += bytes(draw.choice([1, 8, 4096]))
        elif data[8:9] == b"{":
            _edit_header(data, draw)
    return bytes(data)


def _edit_header(data: bytearray, draw: random.Random) -> None:
    """Change a number or a name in a safetensors header, and leave its length right."""
    length = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8 : 8 + length])
        name = draw.choice(list(header))
        field = draw.choice(["dtype", "shape", "data_offsets", "name"])
        if field == "name":
            header[draw.choice(["", "a\0", "\x1b", "__metadata__", name * 9])] = header.pop(name)
        elif field == "dtype":
            header[name][field] = draw.choice(["F64", "F8_E4M3", "I4", "BOOL", None])
        else:
            header[name][field] = [draw.choice(_NUMBERS) for _ in range(draw.randrange(5))]
        text = json.dumps(header).encode()
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        return
    data[: 8 + length] = len(text).to_bytes(8, "little") + text


def oracle(name: str) -> Callable[[Path], Any] | None:
    """The library whose format it is; None where only Zoo reads it."""
    if name == "safetensors":
        return lambda path: safetensors.torch.load(path.read_bytes())
    return None if name.startswith("tar") else _by_torch


def _by_torch(path: Path) -> Any:
    # A zip by the name of a safetensors file torch takes for one, and Zoo for what it is.
    file = io.BytesIO(path.read_bytes()) if path.suffix == ".safetensors" else path
    return torch.load(file, "cpu", weights_only=True)


def run(count: int, folder: Path, seed: int = 0) -> list[Tally]:
    """Read `count` mutated files, and say where Zoo and the peer differ."""
    warnings.simplefilter("ignore")
    draw = random.Random(seed)
    sources = samples()
    for name, content in sources.items():  # what is lazily imported is imported
        _judge(Tally("", ""), name, content, folder / "warm", mapped=False)
        _judge(Tally("", ""), name, content, folder / "warm", mapped=True)
    alert: list[str] = []
    watching = [True]
    sys.addaudithook(lambda event, _: alert.append(event) if watching[0] and event.startswith(FORBIDDEN) else None)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, limits[1]))
    tallies = {name: Tally(f"A mutated {name} is read as its peer reads it, or refused", "files") for name in sources}
    tallies["opcodes"] = Tally("A pickle of drawn instructions runs nothing", "files")
    names = list(tallies)
    try:
        for number in range(count):
            name = names[number % len(names)]
            content = pickled(draw) if name == "opcodes" else mutated(sources[name], draw)
            path = folder / f"net{number % 50}.{draw.choice(['pth', 'safetensors', 'bin'])}"
            path.unlink(missing_ok=True)
            alert.clear()
            _judge(tallies[name], name, content, path, mapped=draw.random() < 0.5, alert=alert)
    finally:
        watching[0] = False
        resource.setrlimit(resource.RLIMIT_AS, limits)
    return list(tallies.values())


def _judge(
    tally: Tally, name: str, content: bytes, path: Path, *, mapped: bool, alert: list[str] | None = None
) -> None:
    path.write_bytes(content)
    if alert:
        alert.clear()
    try:
        mine, refusal = read_file(path, mapped=mapped, cache_dir=path.parent / "cache"), ""
    except WeightsError as error:
        mine, refusal = None, str(error)
    except BaseException as error:
        tally.add("raised", _kept(path, f"{type(error).__name__}: {error}"))
        return
    if alert:
        tally.add("acted", _kept(path, f"{alert}"))
        return
    if refusal:
        tally.add("refused", _kept(path, refusal) if "\n" in refusal else "")
        return
    peer = oracle(name)
    if peer is None:
        tally.add("read")
        return
    try:
        try:
            theirs = peer(path)
        except RuntimeError:  # torch compares a zip's checksums only where it does not map
            if not mapped or path.suffix == ".safetensors":
                raise
            theirs = torch.load(path, "cpu", weights_only=True, mmap=True)
    except Exception as error:
        tally.add("read, refused by the peer", _kept(path, f"{type(error).__name__}: {error}"))
        return
    same = fingerprint(mine) == fingerprint(theirs)
    tally.add("read alike" if same else "read otherwise", "" if same else _kept(path, "values differ"))


def _kept(path: Path, what: str) -> str:
    """Keep the file that failed, and return what to print."""
    kept = Path(tempfile.gettempdir()) / f"zoo-stress-{os.urandom(4).hex()}{path.suffix}"
    kept.write_bytes(path.read_bytes())
    return f"{kept}: {what}"


def fingerprint(value: Any) -> Any:
    """Everything about a value: types, shapes, bits."""
    if isinstance(value, torch.Tensor):
        plain = value.detach()
        if value.dtype is torch.bool:  # any byte but zero is true
            return ("bool", tuple(value.shape), plain.reshape(-1).tolist())
        if plain.is_quantized or plain.layout is not torch.strided:
            return (str(value.dtype), tuple(value.shape), str(plain.layout))
        bits = plain.resolve_neg().resolve_conj().contiguous().reshape(-1).view(torch.uint8)
        return (str(value.dtype), tuple(value.shape), bytes(bits.tolist()))
    if isinstance(value, dict):
        items = [(repr(key), fingerprint(each)) for key, each in value.items()]
        return (type(value).__name__, sorted(items, key=lambda item: item[0]))  # safetensors has no order
    if isinstance(value, list | tuple):
        return (type(value).__name__, [fingerprint(each) for each in value])
    try:
        return (type(value).__name__, pickle.dumps(value))
    except Exception:
        return (type(value).__name__, repr(value))
