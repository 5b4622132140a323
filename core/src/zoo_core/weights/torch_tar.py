"""The tar files of torch 0.1, read without running code from them.

`torch.load` refuses them with ``weights_only=True``. Four members: ``sys_info``, ``storages`` (raw numbers),
``tensors`` (shapes and strides over storages), and ``pickle``, the object, whose tensors are references into those.
"""

from __future__ import annotations

import pickle
import struct
import tarfile
from collections import OrderedDict
from typing import IO, Any

import torch
from torch import Tensor

_DTYPES = {
    f"{name}Storage": getattr(torch, dtype)
    for name, dtype in {
        "Double": "float64", "Float": "float32", "Half": "float16", "Long": "int64", "Int": "int32",
        "Short": "int16", "Char": "int8", "Byte": "uint8",
    }.items()
}  # fmt: skip
_TENSORS = {name.replace("Storage", "Tensor") for name in _DTYPES}


def is_torch_tar(archive: tarfile.TarFile) -> bool:
    """Whether a tar archive is one that torch 0.1 wrote."""
    return {"pickle", "storages", "tensors"} <= set(archive.getnames())


def load_torch_tar(archive: tarfile.TarFile) -> Any:
    """The pickled object, tensors on the CPU.

    Raises:
        pickle.UnpicklingError: for an object that is more than containers and tensors.
    """
    storages = _read_storages(_member(archive, "storages"))
    tensors = _read_tensors(_member(archive, "tensors"), storages)
    return _Unpickler(_member(archive, "pickle"), tensors).load()


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    member = archive.extractfile(name)
    if member is None:
        raise tarfile.TarError(f"{name} is no file")
    return member


def _read_storages(file: IO[bytes]) -> dict[Any, Tensor]:
    storages: dict[Any, Tensor] = {}
    for _ in range(_Unpickler(file).load()):
        key, _location, dtype = _Unpickler(file).load()
        (count,) = struct.unpack("<q", file.read(8))
        content = bytearray(file.read(count * dtype.itemsize))
        if len(content) != count * dtype.itemsize:
            raise EOFError("a storage is cut off")
        storages[key] = torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)
    for key, root, offset, count in _Unpickler(file).load():
        storages[key] = storages[root][offset : offset + count]
    return storages


def _read_tensors(file: IO[bytes], storages: dict[Any, Tensor]) -> dict[int, Tensor]:
    tensors: dict[int, Tensor] = {}
    for _ in range(_Unpickler(file).load()):
        key, storage, _kind = _Unpickler(file).load()
        (dims,) = struct.unpack("<i4x", file.read(8))
        shape = struct.unpack(f"<{dims}q", file.read(8 * dims))
        stride = struct.unpack(f"<{dims}q", file.read(8 * dims))
        (offset,) = struct.unpack("<q", file.read(8))
        tensors[int(key)] = storages[storage].as_strided(shape, stride, offset)
    return tensors


class _Unpickler(pickle.Unpickler):
    """Containers, numbers, and references to tensors: every class that could run code is refused."""

    def __init__(self, file: IO[bytes], tensors: dict[int, Tensor] | None = None) -> None:
        super().__init__(file, encoding="utf-8")
        self._tensors = tensors or {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module.split(".")[0] == "torch" and name in _DTYPES:
            return _DTYPES[name]
        if module.split(".")[0] == "torch" and name in _TENSORS:
            return None
        raise pickle.UnpicklingError(f"GLOBAL {module}.{name}")

    def persistent_load(self, pid: Any) -> Tensor:
        return self._tensors[int(pid)]
