"""Reading a safetensors file into a sharded network: each process reads the rows that it holds."""

from __future__ import annotations

import math
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, Shard
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset
from zoo_core.config import PretrainedCfg
from zoo_core.errors import WeightsError
from zoo_core.network.infer import completed
from zoo_core.weights.files.safetensors import Layout, layout_of
from zoo_core.weights.loading.adapt import adapt_classifiers, adapt_first_convs
from zoo_core.weights.loading.assign import Slots, check_fit, slots_of

if TYPE_CHECKING:
    from os import PathLike


class Reading(NamedTuple):
    """What `load_shards` did in this process."""

    read: int
    """Bytes of the file's tensors that this process read."""
    total: int
    """Bytes of all of them."""
    largest: int
    """The most bytes that were in memory at once beside the network's own."""


class _Rows(NamedTuple):
    """The rows of a tensor that this process holds."""

    local: Tensor
    first: int
    length: int


def load_shards(net: nn.Module, path: str | PathLike[str], *, seed: int = 0) -> Reading:
    """Fill a network, whose parameters may be sharded over processes, from a safetensors file.

    Each process reads the rows of each parameter that it holds, and the buffers; it never holds the
    whole. The keys are the network's own, as Zoo, timm and the Hub save them. Other counts of
    classes and channels are adapted as in `create_model`.

    Args:
        net: with memory, not on the meta device: ``net.to_empty(device=...)`` after `fully_shard`.
            Its parameters are plain, or DTensors that are replicated or sharded by rows.
        path: the file, on a disk of each machine or a shared one.
        seed: of a fresh classifier, where the file's has other classes.

    Raises:
        WeightsError: for a file that does not fit, with the keys; the network is as it was then.
    """
    path = Path(path)
    slots = slots_of(net)
    if empty := next((key for key, slot in slots.items() if slot.tensor.is_meta), None):
        raise WeightsError(f"{empty} is on the meta device: give the network memory, net.to_empty(device='cpu'), first")
    rows = {key: _rows_of(key, slot.tensor) for key, slot in slots.items()}
    cfg = completed(net, PretrainedCfg.from_dict(getattr(net, "pretrained_cfg", None) or {}))
    try:
        with path.open("rb") as file:
            layout = layout_of(file, path)
            return _fill(net, slots, rows, _File(file, layout), cfg, seed)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from error


class _File:
    """An open file, and a count of what was read from it."""

    def __init__(self, file: IO[bytes], layout: Layout) -> None:
        self.file, self.layout = file, layout
        self.entries = {name: (dtype, shape, begin) for name, dtype, shape, begin, _ in layout.entries}
        self.read = self.largest = 0

    def rows(self, name: str, first: int = 0, count: int | None = None) -> Tensor:
        """Read rows of a tensor; None for all of it."""
        dtype, shape, begin = self.entries[name]
        if count is not None:
            begin += first * math.prod(shape[1:]) * dtype.itemsize
            shape = [count, *shape[1:]]
        size = math.prod(shape) * dtype.itemsize
        if not size:
            return torch.empty(shape, dtype=dtype)
        buffer = bytearray(size)
        self.file.seek(self.layout.start + begin)
        if self.file.readinto(buffer) < size:  # type: ignore[attr-defined]
            raise WeightsError(f"{self.layout.path} was truncated while it was read")
        self.read += size
        self.largest = max(self.largest, size)
        return torch.frombuffer(buffer, dtype=torch.uint8).view(dtype).view(shape)


def _fill(net: nn.Module, slots: Slots, rows: dict[str, _Rows], file: _File, cfg: PretrainedCfg, seed: int) -> Reading:
    shapes = {key: slot.tensor.shape for key, slot in slots.items()}
    # The shapes alone say what fits, what is adapted and what is drawn: nothing is read for it.
    held = {name: torch.empty(shape, dtype=dtype, device="meta") for name, (dtype, shape, _) in file.entries.items()}
    source = f"the weights in {file.layout.path}"
    adapted, fresh = adapt_classifiers(adapt_first_convs(held, cfg, shapes), cfg, shapes, source)
    check_fit(slots, adapted, may_miss=fresh, source=source)
    with torch.no_grad():
        for key, part in rows.items():
            if key in fresh:
                continue
            if key not in adapted:  # a counter that old files lack
                part.local.zero_()
            elif adapted[key] is held[key]:
                part.local.copy_(file.rows(key, part.first, part.length) if part.local.dim() else file.rows(key))
            else:
                whole = adapt_first_convs({key: file.rows(key)}, cfg, shapes)
                whole, _ = adapt_classifiers(whole, cfg, shapes)
                part.local.copy_(whole[key][part.first : part.first + part.length])
        for name in {key.rpartition(".")[0] for key in fresh}:
            _draw(net, name, rows, seed)
    return Reading(file.read, file.layout.size, file.largest)


def _rows_of(key: str, tensor: Tensor) -> _Rows:
    if not isinstance(tensor, DTensor):
        return _Rows(tensor.detach(), 0, tensor.shape[0] if tensor.dim() else 1)
    for placement in tensor.placements:
        if not (placement.is_replicate() or (isinstance(placement, Shard) and placement.dim == 0)):
            raise WeightsError(f"{key} is placed as {placement}: shards are read by rows, Shard(0)")
    shape, offset = compute_local_shape_and_global_offset(tensor.shape, tensor.device_mesh, tensor.placements)
    return _Rows(tensor.to_local().detach(), offset[0], shape[0])


def _draw(net: Any, name: str, rows: dict[str, _Rows], seed: int) -> None:
    """Draw a fresh classifier's rows as its network does; which, depends on the count of shards."""
    classifier, part = net.get_submodule(name), rows[f"{name}.weight"]
    if not part.length:
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed * 1_000_003 + part.first)
        drawn = nn.Linear(classifier.in_features, part.length, bias=classifier.bias is not None)
        if callable(init := getattr(net, "init_module", None)):
            init(drawn)
    for key, value in drawn.state_dict().items():
        rows[f"{name}.{key}"].local.copy_(value)
