"""Read a file of weights into a state dict, whatever wrote it, without running code from it."""

from __future__ import annotations

import argparse
import gzip
import io
import mmap
import os
import pickle
import re
import shlex
import tarfile
import tempfile
import threading
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor
from torch.serialization import get_default_mmap_options

from zoo_core.errors import WeightsError
from zoo_core.weights.files import detect
from zoo_core.weights.files.aligned import map_aligned
from zoo_core.weights.files.rehearsal import ALLOWANCE, MULTIPLE, TooMuch
from zoo_core.weights.files.safetensors import REMEDY, read_tensorfile
from zoo_core.weights.files.torch_file import Findings, examine_pickle, examine_zip, whole_records
from zoo_core.weights.loading.assign import WRAPPER_PREFIXES, unwrapped

if TYPE_CHECKING:
    from os import PathLike

EMA_KEYS = ("state_dict_ema", "model_ema")
"""Where training programs keep the exponential moving average of the weights."""
WEIGHT_KEYS = ("state_dict", "model")
_DEEPEST = 10  # tables around a state dict
_PRIVATE = getattr(mmap, "MAP_PRIVATE", None)  # Windows has none, and torch no other there
_permission = threading.Lock()
_T = TypeVar("_T")
WEIGHT_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".tar")


def read_state_dict(
    path: str | PathLike[str],
    *,
    use_ema: bool = True,
    mapped: bool = False,
    cache_dir: str | PathLike[str] | None = None,
) -> dict[str, Tensor]:
    """The tensors of a file by name, on the CPU.

    Understands safetensors, what `torch.save` writes (the zip since 1.6, the pickle before it), and a zip or tar
    archive around one such file. A pickle is read with ``weights_only=True`` alone, and only when it is found to take
    no more memory than a small multiple of its size.

    Args:
        path: a local file.
        use_ema: of a training checkpoint, take the exponential moving average where there is one.
        mapped: map the file where its format allows it (safetensors, the zip of `torch.save`) instead of copying it.
            Only for a file that nobody changes in place, see `zoo_core.weights.files.safetensors`.
        cache_dir: where a mapped file's aligned copy is kept, see `zoo_core.weights.files.aligned`.

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
    if path.exists() and not (path.is_file() or path.is_dir()):  # reading a pipe would wait
        raise WeightsError(f"{path} is no regular file")
    head = detect.head_of(path)
    if reason := detect.not_weights(head):
        raise WeightsError(f"{path} is {reason}")
    if detect.is_safetensors(head):
        return map_aligned(path, cache_dir) if mapped else read_tensorfile(path)
    with path.open("rb") as file:
        if detect.is_tar(head):
            return _load_tar(file, path)
        return _load_saved(file, path, mapped)


def _load_saved(file: IO[bytes], path: Path, mapped: bool = False, *, inner: bool = False) -> Any:
    """What `torch.save` wrote into a file, or a zip around one that is not `inner` itself; `path` is for messages."""
    head = file.read(12)
    file.seek(0)
    if not detect.is_zip(head):
        if not detect.is_pickle(head):
            raise WeightsError(f"{path} is no file of weights that is known; it begins with {head!r}")
        return _torch_load(file, path, _examined(examine_pickle, file, path))
    if not inner and (content := _examined(lambda file: _only_member(file, path), file, path)) is not None:
        return _load_member(content, path)
    findings = _examined(examine_zip, file, path)
    # A file that ends so is safetensors to torch, whatever it holds. And only a private mapping never reaches the file.
    mapped = mapped and findings.mappable and path.suffix != ".safetensors" and get_default_mmap_options() == _PRIVATE
    return _torch_load(path if mapped else file, path, findings)


def _examined(examine: Callable[[IO[bytes]], _T], file: IO[bytes], path: Path) -> _T:
    try:
        return examine(file)
    except (MemoryError, WeightsError):
        raise
    except pickle.UnpicklingError as error:
        raise _unsafe(path, str(error)) from error
    except TooMuch:
        raise WeightsError(
            f"{path} is refused: reading it would take many times the memory that it has bytes"
        ) from None
    except Exception as error:  # on bytes that are no pickle, an unpickler raises whatever it stumbles over
        if isinstance(error, OSError) and error.errno:  # the disk's, not the file's
            raise
        reason = str(error).split("\n")[0] or type(error).__name__
        raise WeightsError(f"{path} is truncated or damaged ({reason}): {REMEDY}") from error
    finally:
        file.seek(0)


def _load_tar(file: IO[bytes], path: Path) -> Any:
    with tempfile.TemporaryFile() as unpacked:
        content = _examined(lambda file: _only_member_of_tar(_unpacked(file, unpacked), path), file, path)
    return _load_member(content, path)


def _unpacked(file: IO[bytes], unpacked: IO[bytes]) -> IO[bytes]:
    """The tar archive itself, unpacked on disk where it is compressed."""
    if not detect.is_gzip(file.read(2)):
        file.seek(0)
        return file
    left = ALLOWANCE + MULTIPLE * file.seek(0, os.SEEK_END)
    file.seek(0)
    with gzip.open(file) as archive:
        while chunk := archive.read(1 << 20):
            left -= len(chunk)
            if left < 0:
                raise TooMuch
            unpacked.write(chunk)
    unpacked.seek(0)
    return unpacked


def _only_member_of_tar(file: IO[bytes], path: Path) -> bytes:
    with tarfile.open(fileobj=file, mode="r:") as archive:
        names = archive.getnames()
        if {"pickle", "storages", "tensors"} <= set(names):
            raise _refused(path, "torch 0.1 wrote it")
        member = archive.getmember(_only_weights(names, path))
        if member.size > ALLOWANCE + MULTIPLE * file.seek(0, os.SEEK_END):  # it has holes
            raise TooMuch
        content = archive.extractfile(member)
        return content.read() if content else b""


def _only_member(file: IO[bytes], path: Path) -> bytes | None:
    """The one file of weights in a zip; None in a zip that `torch.save` wrote."""
    size = file.seek(0, os.SEEK_END)
    with zipfile.ZipFile(file) as archive:
        names = [record.filename for record in whole_records(archive, size)]
        if any(name.endswith("data.pkl") for name in names):
            return None
        return archive.read(_only_weights(names, path))


def _only_weights(names: list[str], path: Path) -> str:
    weights = [name for name in names if PurePosixPath(name).suffix in WEIGHT_SUFFIXES]
    if len(weights) != 1:
        found = ", ".join(weights) or "none"
        raise WeightsError(f"{path} is an archive that should hold one file of weights; found: {found}")
    return weights[0]


def _load_member(content: bytes, path: Path) -> Any:
    if detect.is_safetensors(content[:16]):
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            return load(content)
        except (SafetensorError, KeyError) as error:
            raise WeightsError(f"{path} holds a damaged safetensors file ({error}): {REMEDY}") from error
    return _load_saved(io.BytesIO(content), path, inner=True)


def _torch_load(file: Path | IO[bytes], path: Path, findings: Findings) -> Any:
    # What training programs keep their options in: a plain object whose making runs nothing. The permission is the
    # process's, so one thread at a time takes and returns it.
    permitted = _namespace_permitted() if "argparse.Namespace" in findings.names else nullcontext()
    try:
        with permitted, warnings.catch_warnings():
            # A pickle of another protocol is refused or read; torch's request to report it helps nobody here.
            warnings.filterwarnings("ignore", message="Detected pickle protocol")
            return torch.load(file, map_location="cpu", weights_only=True, mmap=isinstance(file, Path))
    except pickle.UnpicklingError as error:
        raise _unsafe(path, str(error)) from error
    except (OSError, MemoryError):
        raise
    except Exception as error:  # the file is sound as far as can be told, so this is what this torch cannot do
        reason = str(error).split("\n")[0].split(". ")[0] or type(error).__name__
        raise WeightsError(f"torch {torch.__version__} cannot read {path}: {reason}") from error


@contextmanager
def _namespace_permitted() -> Iterator[None]:
    with _permission, torch.serialization.safe_globals([argparse.Namespace]):
        yield


def _unsafe(path: Path, detail: str) -> WeightsError:
    culprit = re.search(r"GLOBAL (\S+)", detail)
    what = f"more than tensors ({culprit[1]})" if culprit else "no tensors that can be read without running it"
    return _refused(path, f"it is a pickle that holds {what}")


def _refused(path: Path, why: str) -> WeightsError:
    source, target = (shlex.quote(str(each)) for each in (path, path.with_suffix(".safetensors")))
    return WeightsError(
        f"{path} is refused: {why}, and such a file runs code when it is read. If you trust who made it, "
        f"convert it once: python -m zoo_core.weights.files.unpickle {source} {target}"
    )


def select_state_dict(loaded: Any, path: Path, *, use_ema: bool = True) -> dict[str, Tensor]:
    """The state dict inside a checkpoint, its names without a wrapper's prefix; `path` is for messages.

    Raises:
        WeightsError: for anything else.
    """
    keys = (*(EMA_KEYS if use_ema else ()), *WEIGHT_KEYS)
    for _ in range(_DEEPEST):  # a pickle may hold a table that holds itself
        if not isinstance(loaded, Mapping):
            break
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
    if wrong := next((key for key in loaded if not isinstance(key, str)), None):
        raise WeightsError(f"{path} has an entry that is named {wrong!r:.80}; names are strings")
    return unwrapped(loaded, WRAPPER_PREFIXES)
