"""A program of two processes with extractors, for a test that reads the faults it finds."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
import zoo_core as zoo
from extractors import SOME, extractor, images, maps_of
from leaving import leave
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

PROCESSES = 2


def main(rank: int, folder: Path) -> None:
    """Try every combination, and leave the failures of process 0 in ``failures.txt``."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=PROCESSES)
    failures = []
    for check in (replicated, sharded):
        for name, wrapper in SOME:
            try:
                check(name, wrapper, rank)
            except Exception as error:
                failures.append(f"{check.__name__} {name} {wrapper}: {type(error).__name__}: {error}")
    if rank == 0:
        (folder / "failures.txt").write_text("\n".join(failures))
    dist.destroy_process_group()
    leave()


def replicated(name: str, wrapper: str, rank: int) -> None:
    """DDP: maps of this process's images, and the mean of both processes' gradients."""
    extract = zoo.freeze_batch_norm(extractor(name, wrapper, (2, 1))).train()
    parallel = DistributedDataParallel(copy.deepcopy(extract))
    maps = maps_of(parallel(shares()[rank]))
    assert_equal(maps, maps_of(extract(shares()[rank])))
    loss(maps).backward()
    assert_mean_gradients(parallel.module, extract)


def sharded(name: str, wrapper: str, rank: int) -> None:
    """FSDP2: the same, with half of every parameter in each process."""
    extract = zoo.freeze_batch_norm(extractor(name, wrapper, (2, 1))).train()
    twin = copy.deepcopy(extract)
    mesh = init_device_mesh("cpu", (PROCESSES,))
    stage = twin.get_submodule(twin.feature_info.module_name(1))
    if list(stage.parameters()):  # an activation has none
        fully_shard(stage, mesh=mesh)  # gathered when it runs, apart from the rest
    fully_shard(twin, mesh=mesh)
    assert all(isinstance(parameter, DTensor) for parameter in twin.parameters())
    maps = maps_of(twin(shares()[rank]))
    assert_equal(maps, maps_of(extract(shares()[rank])))
    loss(maps).backward()
    assert_mean_gradients(twin, extract)


def shares() -> list[Tensor]:
    """Each process's images."""
    return [images(32), images(32) + 0.5]


def loss(maps: list[Tensor]) -> Any:
    """A scalar that every map takes part in."""
    return sum(item.square().mean() for item in maps)


def assert_equal(maps: list[Tensor], expected: list[Tensor]) -> None:
    """Bit for bit."""
    for index, (one, other) in enumerate(zip(maps, expected, strict=True)):
        assert torch.equal(one, other), f"map {index}"


def assert_mean_gradients(parallel: nn.Module, alone: nn.Module) -> None:
    """Compare the gradients of `parallel` with the mean of those of `alone` in each process."""
    for share in shares():
        (loss(maps_of(alone(share))) / PROCESSES).backward()
    expected = {key: parameter.grad for key, parameter in alone.named_parameters()}
    for key, parameter in parallel.named_parameters():
        gradient = parameter.grad.full_tensor() if isinstance(parameter.grad, DTensor) else parameter.grad
        torch.testing.assert_close(gradient, expected[key], rtol=1e-4, atol=1e-5)
