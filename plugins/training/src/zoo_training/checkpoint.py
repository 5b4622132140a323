"""Checkpoints of a training on any count of processes, by `torch.distributed.checkpoint`."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from zoo_core.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike

    from torch import nn
    from torch.optim import Optimizer


def save_checkpoint(
    path: str | PathLike[str], net: nn.Module, optimiser: Optimizer | None = None, **extra: Any
) -> None:
    """Save a training; every process calls it, and writes what it holds.

    Args:
        path: a folder that all processes see.
        net: plain, or parallel by DDP or FSDP2.
        optimiser: of its parameters.
        extra: whatever a training needs beside them, such as ``epoch=3``: tensors, numbers, text.
    """
    state = {**_states(net, optimiser), "extra": extra}
    with _one_process_is_fine():
        save(state, checkpoint_id=path)


def load_checkpoint(
    path: str | PathLike[str], net: nn.Module, optimiser: Optimizer | None = None, **extra: Any
) -> dict[str, Any]:
    """Load a training, saved by any count of processes, into this count; every process calls it.

    Args:
        path: the folder.
        net: of the same architecture, parallel in any way or not at all.
        optimiser: of the same groups.
        extra: what to load beside them, with any value: ``epoch=0``.

    Returns:
        `extra` as it was saved.

    Raises:
        WeightsError: where there is no checkpoint.
    """
    if not (Path(path) / ".metadata").is_file():
        raise WeightsError(f"{path} holds no checkpoint that was written to its end")
    state = {**_states(net, optimiser), "extra": extra}
    with _one_process_is_fine():
        load(state, checkpoint_id=path)
    optimisers = [] if optimiser is None else [optimiser]
    set_state_dict(net, optimisers, model_state_dict=state["net"], optim_state_dict=state.get("optimiser", {}))
    loaded: dict[str, Any] = state["extra"]
    return loaded


@contextmanager
def _one_process_is_fine() -> Iterator[None]:
    """Keep torch from warning that there is no process group."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled, unavailable or uninitialized")
        yield


def _states(net: nn.Module, optimiser: Optimizer | None) -> dict[str, Any]:
    states, of_optimiser = get_state_dict(net, [] if optimiser is None else [optimiser])
    return {"net": states} if optimiser is None else {"net": states, "optimiser": of_optimiser}
