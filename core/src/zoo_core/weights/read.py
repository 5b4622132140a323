"""Read a file of weights into a state dict, whatever wrote it, without running code from it."""

from __future__ import annotations

import argparse
import io
import pickle
import re
import struct
import tarfile
import threading
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

import torch
from torch import Tensor

from zoo_core.errors import WeightsError
from zoo_core.weights import sniff
from zoo_core.weights.aligned import map_aligned
from zoo_core.weights.tensorfile import read_tensorfile
from zoo_core.weights.torchfile import NotPlain, map_torchfile

if TYPE_CHECKING:
    from os import PathLike

EMA_KEYS = ("state_dict_ema", "model_ema")
"""Where training programs keep the exponential moving average of the weights."""
WEIGHT_KEYS = ("state_dict", "model")
WRAPPER_PREFIXES = ("module.", "_orig_mod.")
"""What DistributedDataParallel and torch.compile put before every name."""
_permission = threading.Lock()
WEIGHT_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".tar")


def read_state_dict(
    path: str | PathLike[str],
    *,
    use_ema: bool = True,
    mapped: bool = False,
    cache_dir: str | PathLike[str] | None = None,
) -> dict[str, Tensor]:
    """The tensors of a file by name, on the CPU.

    Understands safetensors, everything `torch.save` has written (the zip since 1.6, the pickle before it, the tar of
    0.1), and a zip or tar archive around one such file. A pickle is read with ``weights_only=True`` alone.

    Args:
        path: a local file.
        use_ema: of a training checkpoint, take the exponential moving average where there is one.
        mapped: map the file where its format allows it (safetensors, the zip of `torch.save`) instead of copying it.
            Only for a file that nobody changes in place, see `zoo_core.weights.tensorfile`.
        cache_dir: where a mapped file's aligned copy is kept, see `zoo_core.weights.aligned`.

    Raises:
        WeightsError: for a file that is missing, truncated, no weights, or would have to run code to be read.
    """
    path = Path(path)
    return select_state_dict(read_file(path, mapped=mapped, cache_dir=cache_dir), path, use_ema=use_ema)


def read_file(path: Path, *, mapped: bool = False, cache_dir: str | PathLike[str] | None = None) -> Any:
    """All that a file of weights holds, of a training checkpoint also its optimiser's state; as `read_state_dict`."""
    try:
        return _load(path, mapped, cache_dir)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from error


def _load(path: Path, mapped: bool, cache_dir: str | PathLike[str] | None) -> Any:
    head = sniff.head_of(path)
    if reason := sniff.not_weights(head):
        raise WeightsError(f"{path} is {reason}")
    if sniff.is_safetensors(head):
        return map_aligned(path, cache_dir) if mapped else read_tensorfile(path)
    if sniff.is_zip(head):
        return _load_zip(path, mapped)
    if sniff.is_tar(head):
        return _load_tar(path)
    if not sniff.is_pickle(head):
        raise WeightsError(f"{path} is no file of weights that is known; it begins with {head[:12]!r}")
    with path.open("rb") as file:
        return _load_pickle(file, path)


def _load_zip(path: Path, mapped: bool) -> Any:
    if mapped:
        with suppress(NotPlain):
            return map_torchfile(path)
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if not any(name.endswith("data.pkl") for name in names):
                return _load_member(archive.read(_only_weights(names, path)), path)
    except zipfile.BadZipFile as error:
        raise WeightsError(f"{path} is truncated or damaged ({error}): delete it and fetch it again") from error
    return _load_pickle(path, path, mapped=mapped)


def _load_tar(path: Path) -> Any:
    from zoo_core.weights.torch_tar import is_torch_tar, load_torch_tar

    try:
        with tarfile.open(path) as archive:
            if is_torch_tar(archive):
                return load_torch_tar(archive)
            member = archive.extractfile(_only_weights(archive.getnames(), path))
            return _load_member(member.read() if member else b"", path)
    except (tarfile.TarError, EOFError, struct.error) as error:
        raise WeightsError(f"{path} is truncated or damaged ({error}): delete it and fetch it again") from error
    except pickle.UnpicklingError as error:
        raise _unsafe(path, str(error)) from error


def _only_weights(names: list[str], path: Path) -> str:
    weights = [name for name in names if PurePosixPath(name).suffix in WEIGHT_SUFFIXES]
    if len(weights) != 1:
        found = ", ".join(weights) or "none"
        raise WeightsError(f"{path} is an archive that should hold one file of weights; found: {found}")
    return weights[0]


def _load_member(content: bytes, path: Path) -> Any:
    if sniff.is_safetensors(content[:16]):
        from safetensors.torch import load

        return load(content)
    return _load_pickle(io.BytesIO(content), path)


def _load_pickle(file: Path | IO[bytes], path: Path, *, mapped: bool = False) -> Any:
    try:
        with warnings.catch_warnings():
            # A pickle of another protocol is refused or read; torch's request to report it helps nobody here.
            warnings.filterwarnings("ignore", message="Detected pickle protocol")
            return _torch_load(file, mapped)
    except pickle.UnpicklingError as error:
        raise _unsafe(path, str(error)) from error
    except Exception as error:  # on bytes that are no pickle the unpickler raises whatever it stumbles over
        reason = str(error).split(". ")[0] or type(error).__name__
        raise WeightsError(f"{path} is truncated or damaged ({reason}): delete it and fetch it again") from error


def _torch_load(file: Path | IO[bytes], mapped: bool) -> Any:
    try:
        return torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        if "argparse.Namespace" not in str(error):
            raise
    if not isinstance(file, Path):
        file.seek(0)
    # What training programs keep their options in: a plain object whose making runs nothing. The permission is the
    # process's, so one thread at a time takes and returns it.
    with _permission, torch.serialization.safe_globals([argparse.Namespace]):
        return torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)


def _unsafe(path: Path, detail: str) -> WeightsError:
    culprit = re.search(r"GLOBAL (\S+)", detail)
    what = f"more than tensors ({culprit[1]})" if culprit else "no tensors that can be read without running it"
    return WeightsError(
        f"{path} is refused: it is a pickle that holds {what}, and such a file runs code when it is read. "
        f"If you trust who made it, convert it once: python -m zoo_core.weights.convert {path.name} "
        f"{path.with_suffix('.safetensors').name}"
    )


def select_state_dict(loaded: Any, path: Path, *, use_ema: bool = True) -> dict[str, Tensor]:
    """The state dict inside a checkpoint, its names without a wrapper's prefix; `path` is for messages.

    Raises:
        WeightsError: for anything else.
    """
    keys = (*(EMA_KEYS if use_ema else ()), *WEIGHT_KEYS)
    while isinstance(loaded, Mapping):
        inner = next((loaded[key] for key in keys if isinstance(loaded.get(key), Mapping)), None)
        if inner is None:
            break
        loaded = inner
    if not isinstance(loaded, Mapping):
        raise WeightsError(f"{path} holds a {type(loaded).__name__}, not a state dict")
    if others := [str(key) for key, value in loaded.items() if not isinstance(value, Tensor)]:
        raise WeightsError(
            f"{path} holds no state dict that is known: besides tensors it has {', '.join(others[:5])}; "
            f"expected names to tensors, by themselves or under one of {', '.join((*EMA_KEYS, *WEIGHT_KEYS))}"
        )
    if not loaded:
        raise WeightsError(f"{path} holds no tensors")
    return unwrapped(loaded, WRAPPER_PREFIXES)


def unwrapped(state_dict: Mapping[str, Tensor], prefixes: Sequence[str]) -> dict[str, Tensor]:
    """A state dict without those of the prefixes that lead all its names, in whatever order they stand."""
    names = dict(state_dict)
    while prefix := next((p for p in prefixes if names and all(name.startswith(p) for name in names)), ""):
        names = {name.removeprefix(prefix): tensor for name, tensor in names.items()}
    return names
