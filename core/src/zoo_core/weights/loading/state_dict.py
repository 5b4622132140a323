"""The state dict in a file of weights, by itself or inside a training checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from zoo_core.errors import WeightsError
from zoo_core.weights.files.read import read_file
from zoo_core.weights.loading.unwrap import unwrapped

if TYPE_CHECKING:
    from os import PathLike

StateDict = dict[str, Tensor]
EMA_KEYS = ("state_dict_ema", "model_ema")
"""Keys under which training programs keep the exponential moving average of the weights."""
WEIGHT_KEYS = ("state_dict", "model")
_DEEPEST = 10  # tables around a state dict


def read_state_dict(
    path: str | PathLike[str],
    *,
    use_ema: bool = True,
    mapped: bool = False,
    cache_dir: str | PathLike[str] | None = None,
) -> StateDict:
    """Return the tensors of a file by name, on the CPU.

    Args:
        path: a local file.
        use_ema: of a training checkpoint, take the exponential moving average where there is one.
        mapped: map the file instead of copying it.
        cache_dir: the folder of a mapped file's aligned copy.

    Raises:
        WeightsError: for a file that cannot be read, or holds no state dict.
    """
    path = Path(path)
    return select_state_dict(read_file(path, mapped=mapped, cache_dir=cache_dir), path, use_ema=use_ema)


def select_state_dict(loaded: Any, path: Path, *, use_ema: bool = True) -> StateDict:
    """Return the state dict in a checkpoint, without a wrapper's prefix; `path` is for messages.

    Raises:
        WeightsError: for anything else.
    """
    keys = (*(EMA_KEYS if use_ema else ()), *WEIGHT_KEYS)
    for _ in range(_DEEPEST):  # a pickle may hold a table that holds itself
        if not isinstance(loaded, Mapping):
            raise WeightsError(f"{path} holds a {type(loaded).__name__}, not a state dict")
        inner = next((loaded[key] for key in keys if isinstance(loaded.get(key), Mapping)), None)
        if inner is None:
            break
        loaded = inner
    if others := [str(key) for key, value in loaded.items() if not isinstance(value, Tensor)]:
        raise WeightsError(
            f"{path} holds no state dict that is known: besides tensors it has {', '.join(others[:5])}; "
            f"expected names to tensors, by themselves or under one of {', '.join((*EMA_KEYS, *WEIGHT_KEYS))}"
        )
    if not loaded:
        raise WeightsError(f"{path} holds no tensors")
    if wrong := next((key for key in loaded if not isinstance(key, str)), None):
        raise WeightsError(f"{path} has an entry that is named {wrong!r:.80}; names are strings")
    return unwrapped(loaded)
