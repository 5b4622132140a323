"""Checkpoints of a training: load one into a model, or resume from it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from zoo_core.errors import WeightsError
from zoo_core.weights.files.read import read_file
from zoo_core.weights.loading.assign import check_fit, slots_of
from zoo_core.weights.loading.load import FilterFn, put
from zoo_core.weights.loading.plain import plain_tensors
from zoo_core.weights.loading.state_dict import read_state_dict, select_state_dict

if TYPE_CHECKING:
    from torch import Tensor, nn


class Resumable(Protocol):
    """An object with a state to restore: an optimiser, a gradient scaler, a schedule."""

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any:
        """Restore the state."""


def load_state_dict(path: str | os.PathLike[str], use_ema: bool = True) -> dict[str, Tensor]:
    """Return the state dict in a file; with `use_ema` its moving average where it has one."""
    return read_state_dict(path, use_ema=use_ema)


def load_checkpoint(
    model: nn.Module,
    path: str | os.PathLike[str],
    *,
    use_ema: bool = True,
    strict: bool = True,
    filter_fn: FilterFn | None = None,
) -> None:
    """Load a file into a model: nothing is adapted, every parameter keeps its identity.

    For other classes or channels, `create_model` takes ``checkpoint_path``.

    Args:
        model: whose values are replaced.
        path: safetensors, or what `torch.save` wrote: a state dict or a training checkpoint around
            one.
        use_ema: of a training checkpoint, take the exponential moving average where there is one.
        strict: False lets keys be missing or too many.
        filter_fn: ``(state_dict, model) -> state_dict`` with the model's keys.

    Raises:
        WeightsError: when the file cannot be read or does not fit; the model is as it was then.
    """
    state_dict = read_state_dict(path, use_ema=use_ema)
    if filter_fn is not None:
        state_dict = filter_fn(state_dict, model)
    put(model, slots_of(model), state_dict, strict=strict, source=f"the weights in {os.fspath(path)}")


def resume_checkpoint(
    model: nn.Module,
    path: str | os.PathLike[str],
    optimizer: Resumable | None = None,
    loss_scaler: Resumable | None = None,
) -> int | None:
    """Resume a training: restore the model's weights (not their average), optimiser, and scaler.

    Args:
        model: whose values are replaced.
        path: a checkpoint with ``state_dict``, and ``optimizer``, ``amp_scaler`` and ``epoch``
            where they were saved.
        optimizer: restored from ``optimizer``.
        loss_scaler: restored from ``amp_scaler``.

    Returns:
        The epoch to go on with, or None for a checkpoint without one.

    Raises:
        WeightsError: when the file cannot be read, does not fit the model, or lacks a wanted state;
            nothing has changed then.
    """
    path = Path(path)
    loaded = read_file(path)
    state_dict = select_state_dict(loaded, path, use_ema=False)
    wanted = [
        (key, taker) for key, taker in (("optimizer", optimizer), ("amp_scaler", loss_scaler)) if taker is not None
    ]
    for key, _ in wanted:
        if not isinstance(loaded, Mapping) or key not in loaded:
            raise WeightsError(
                f"{path} has no state of the {key!r}: it holds weights alone; load_checkpoint loads those"
            )
    slots, source = slots_of(model), f"the weights in {path}"
    state_dict = plain_tensors(state_dict, source)
    check_fit(slots, state_dict, source=source)
    for key, taker in wanted:
        taker.load_state_dict(loaded[key])
    put(model, slots, state_dict, source=source)
    epoch = loaded.get("epoch") if isinstance(loaded, Mapping) else None
    if epoch is None:
        return None
    # Checkpoints of version 2 on hold the epoch that ended, older ones the epoch to begin with.
    return int(epoch) + 1 if loaded.get("version", 1) > 1 else int(epoch)
