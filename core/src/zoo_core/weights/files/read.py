"""Read a file of weights, whatever program wrote it, without running code from it."""

from __future__ import annotations

import argparse
import io
import mmap
import pickle
import re
import shlex
import warnings
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import torch
from torch.serialization import get_default_mmap_options

from zoo_core.errors import WeightsError
from zoo_core.locks import fork_safe_lock
from zoo_core.weights.files import detect
from zoo_core.weights.files.aligned import map_aligned
from zoo_core.weights.files.archive import Torch01File, file_in_tar, file_in_zip
from zoo_core.weights.files.rehearsal import TooMuch
from zoo_core.weights.files.safetensors import REMEDY, read_tensorfile
from zoo_core.weights.files.torch_file import Findings, examine_pickle, examine_zip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from os import PathLike

_PRIVATE = getattr(mmap, "MAP_PRIVATE", None)  # Windows has none, and torch no other there
_permission = fork_safe_lock()
_T = TypeVar("_T")


def read_file(path: Path, *, mapped: bool = False, cache_dir: str | PathLike[str] | None = None) -> Any:
    """Return all that a file of weights or a training checkpoint holds, tensors on the CPU.

    Understands safetensors, what `torch.save` writes (the zip since 1.6, the pickle before it), and
    a zip or tar archive around one such file. Reads a pickle with ``weights_only=True`` alone, and
    only if it takes no more memory than a small multiple of its size.

    Args:
        path: a local file.
        mapped: map the file where its format allows it (safetensors, the zip of `torch.save`)
            instead of copying it. Only for a file that nobody changes in place, see
            `zoo_core.weights.files.safetensors`.
        cache_dir: the folder of a mapped file's aligned copy, see `zoo_core.weights.files.aligned`.

    Raises:
        WeightsError: for a file that is missing, truncated, no weights, or would run code when
            read.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):  # reading a pipe would wait
            raise WeightsError(f"{path} is no regular file")
        head = detect.head_of(path)
        if reason := detect.not_weights(head):
            raise WeightsError(f"{path} is {reason}")
        kind = detect.format_of(head)
        if kind == "safetensors":
            return map_aligned(path, cache_dir) if mapped else read_tensorfile(path)
        with path.open("rb") as file:
            if kind in ("tar", "gzip"):
                return _read_member(_examined(lambda file: file_in_tar(file, path), file, path), path)
            return _read_saved(file, path, mapped)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from error


def _read_saved(file: IO[bytes], path: Path, mapped: bool = False, *, inner: bool = False) -> Any:
    """Read what `torch.save` wrote, or unless `inner` a zip around it; `path` is for messages."""
    head = file.read(detect.HEAD_BYTES)
    kind = detect.format_of(head)
    if kind == "pickle":
        return _torch_load(file, path, _examined(examine_pickle, file, path))
    if kind != "zip":
        raise WeightsError(f"{path} is no file of weights that is known; it begins with {head[:12]!r}")
    if not inner and (content := _examined(lambda file: file_in_zip(file, path), file, path)) is not None:
        return _read_member(content, path)
    findings = _examined(examine_zip, file, path)
    # torch takes a file of that suffix for safetensors. And only a private mapping never reaches
    # the file.
    mapped = mapped and findings.mappable and path.suffix != ".safetensors" and get_default_mmap_options() == _PRIVATE
    return _torch_load(path if mapped else file, path, findings)


def _read_member(content: bytes, path: Path) -> Any:
    if detect.format_of(content[: detect.HEAD_BYTES]) == "safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            return load(content)
        except (SafetensorError, KeyError) as error:
            raise WeightsError(f"{path} holds a damaged safetensors file ({error}): {REMEDY}") from error
    return _read_saved(io.BytesIO(content), path, inner=True)


def _examined(examine: Callable[[IO[bytes]], _T], file: IO[bytes], path: Path) -> _T:
    """Examine a file from its beginning, return to it, and name the file in errors."""
    file.seek(0)
    try:
        return examine(file)
    except (MemoryError, WeightsError):
        raise
    except pickle.UnpicklingError as error:
        raise _unsafe(path, str(error)) from error
    except Torch01File:
        raise _refused(path, "torch 0.1 wrote it") from None
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


def _torch_load(file: Path | IO[bytes], path: Path, findings: Findings) -> Any:
    # Training programs keep their options in a Namespace, a plain object whose making runs nothing.
    # The permission is the process's, so one thread at a time takes and returns it.
    permitted = _namespace_permitted() if "argparse.Namespace" in findings.names else nullcontext()
    try:
        with permitted, warnings.catch_warnings():
            # A pickle of another protocol is refused or read; torch's request to report it helps
            # nobody here.
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
        f"convert it once: python -m zoo_core.weights.unpickle {source} {target}"
    )
