"""A program of several processes for tests: ``torchrun processes.py FOLDER CHECK...``.

Each check asserts, or raises; process 0 leaves what it measured in ``FOLDER/<check>.json``.
"""

from __future__ import annotations

import copy
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import zoo_core as zoo
import zoo_training
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor
from torch.distributed.tensor.parallel import loss_parallel
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel
from zoo_core.errors import WeightsError

NAMES = ("test_resnet.digits", "test_densenet.digits", "test_xception.digits", "test_cspnet.digits")
FOLDER = Path(sys.argv[1])


def ranks() -> int:
    return dist.get_world_size()


def images(rank: int, size: int = 32) -> Tensor:
    return torch.randn(4, 3, size, size, generator=torch.Generator().manual_seed(rank))


def labels(rank: int) -> Tensor:
    return torch.arange(4) + 4 * rank


def whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def assert_learns_as_alone(parallel: nn.Module, alone: nn.Module) -> None:
    """Same logits of this process's images; gradients are the mean over the processes."""
    rank = dist.get_rank()
    for net in (parallel, alone):
        net.eval()  # statistics of a batch are those of a process
    assert torch.equal(parallel(images(rank)), alone(images(rank)))
    cross_entropy(parallel(images(rank)), labels(rank) % 3).backward()
    for each in range(ranks()):
        (cross_entropy(alone(images(each)), labels(each) % 3) / ranks()).backward()
    for (key, one), other in zip(alone.named_parameters(), parallel.parameters(), strict=True):
        scale = one.grad.abs().max().item()
        torch.testing.assert_close(whole(other.grad), one.grad, rtol=1e-4, atol=1e-5 * scale + 1e-9, msg=key)


def ddp() -> None:
    for name in NAMES:
        net = zoo.create_model(name, pretrained=True)
        assert_learns_as_alone(DistributedDataParallel(copy.deepcopy(net)), net)


def shards() -> None:
    mesh = init_device_mesh("cpu", (ranks(),))
    for name in NAMES:
        net = zoo_training.create_sharded(name, mesh)
        assert all(isinstance(parameter, DTensor) for parameter in net.parameters())
        alone = zoo.create_model(name, pretrained=True)
        for (key, one), other in zip(alone.state_dict().items(), net.state_dict().values(), strict=True):
            assert torch.equal(whole(other), one), key
        assert_learns_as_alone(net, alone)


def adapted() -> None:
    """Other classes and channels, and filters that no file has."""
    mesh = init_device_mesh("cpu", (ranks(),))
    name = "test_resnet.digits"
    net = zoo_training.create_sharded(name, mesh, options={"num_classes": 7, "in_chans": 1})
    torch.manual_seed(0)
    alone = zoo.create_model(name, pretrained=True, num_classes=7, in_chans=1)
    for (key, one), other in zip(alone.state_dict().items(), net.state_dict().values(), strict=True):
        if not key.startswith("fc."):
            assert torch.equal(whole(other), one), key
    drawn = whole(net.fc.weight)
    assert len(drawn.unique()) > drawn.numel() / 2
    assert 0.3 < drawn.std() / alone.fc.weight.std() < 3
    blurred = FOLDER / "blurred"
    if dist.get_rank() == 0:
        zoo.save_for_hub(zoo.create_model("resnetblur18", num_classes=3), blurred)
    dist.barrier()
    net = zoo_training.create_sharded(
        "resnetblur18", mesh, path=blurred / "model.safetensors", options={"num_classes": 3}
    ).eval()
    alone = zoo.create_model(f"local-dir:{blurred}", pretrained=True).eval()
    assert torch.equal(net(images(0, 64)), alone(images(0, 64)))


def refused() -> None:
    """A file that does not fit changes nothing."""
    mesh = init_device_mesh("cpu", (ranks(),))
    net = zoo_training.create_sharded("test_resnet.digits", mesh)
    before = {key: whole(value).clone() for key, value in net.state_dict().items()}
    blurred = FOLDER / "blurred" / "model.safetensors"
    with pytest.raises(WeightsError, match="are for 3 classes"):
        zoo_training.load_shards(net, blurred)
    assert all(torch.equal(whole(value), before[key]) for key, value in net.state_dict().items())


def memory() -> dict[str, Any]:
    """Bytes that this process read and its peak, for a network of 100 MB, counted by the kernel."""
    name, file = "resnet50", FOLDER / "big" / "model.safetensors"
    if dist.get_rank() == 0:
        zoo.save_for_hub(zoo.create_model(name), file.parent)
    dist.barrier()
    mesh = init_device_mesh("cpu", (ranks(),))
    zoo_training.create_sharded("test_resnet.digits", mesh)  # what comes with the first is not counted
    net = zoo.create_model(name, device="meta")
    for stage in zoo_training.sharded.stages_of(net):
        torch.distributed.fsdp.fully_shard(stage, mesh=mesh)
    torch.distributed.fsdp.fully_shard(net, mesh=mesh)
    read_before = _kernel("io", "rchar")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _kernel("status", "VmRSS")
    net.to_empty(device="cpu")
    reading = zoo_training.load_shards(net, file)
    shard = sum(_local(each).nbytes for each in (*net.parameters(), *net.buffers()))
    measured = {
        **reading._asdict(),
        "shard": shard,
        "read by the kernel": _kernel("io", "rchar") - read_before,
        "peak": (_kernel("status", "VmHWM") - before) * 1024,
        "file": file.stat().st_size,
        "largest layer": max(parameter.nbytes for parameter in zoo.create_model(name, device="meta").parameters()),
    }
    everyone: list[Any] = [None] * ranks()
    dist.all_gather_object(everyone, measured)
    return {"ranks": everyone}


def _local(tensor: Tensor) -> Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def _kernel(file: str, field: str) -> int:
    lines = Path(f"/proc/self/{file}").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def classes() -> None:
    """A step with a sharded classifier equals one with a whole one."""
    torch.manual_seed(0)
    alone = zoo.create_model("test_resnet", num_classes=1001)
    net = copy.deepcopy(alone)
    mesh = init_device_mesh("cpu", (ranks(),))
    zoo_training.shard_classifier(net, mesh)
    assert isinstance(net.fc.weight, DTensor)
    rows = net.fc.weight.to_local().shape[0]
    assert rows <= -(-1001 // ranks())
    for one in (net, alone):
        one.eval()
        optimiser = torch.optim.SGD(one.parameters(), 0.1)
        if one is net:
            with loss_parallel():
                loss = cross_entropy(one(images(0)), labels(0))
                loss.backward()
        else:
            expected = cross_entropy(one(images(0)), labels(0))
            expected.backward()
        optimiser.step()
    torch.testing.assert_close(whole(loss), expected)
    for (key, one), other in zip(alone.named_parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(whole(other), one, rtol=1e-4, atol=1e-6, msg=key)


def _training() -> tuple[nn.Module, torch.optim.Optimizer]:
    """A sharded network and its optimiser; in one process without a group, whole ones."""
    name = "test_resnet.digits"
    if ranks() > 1:
        net = zoo_training.create_sharded(name, init_device_mesh("cpu", (ranks(),)))
    else:
        net = zoo.create_model(name, pretrained=True)
    return net.eval(), torch.optim.AdamW(zoo.parameter_groups(net, 1e-3, 0.05, layer_decay=0.7))


def _step(net: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """The same images everywhere, so that the count of processes makes no difference."""
    optimiser.zero_grad()
    cross_entropy(net(images(0)), labels(0)).backward()
    optimiser.step()


def _sums(net: nn.Module) -> dict[str, Any]:
    return {"parameters": [whole(parameter).detach().double().sum().item() for parameter in net.parameters()]}


def save() -> dict[str, Any]:
    """Two steps, a checkpoint, one more step."""
    net, optimiser = _training()
    for _ in range(2):
        _step(net, optimiser)
    zoo_training.save_checkpoint(FOLDER / f"of{ranks()}", net, optimiser, epoch=2, note="half way")
    _step(net, optimiser)
    return _sums(net)


def resume() -> dict[str, Any]:
    """Load every checkpoint that there is, and take the one more step."""
    sums = {}
    for path in sorted(FOLDER.glob("of*")):
        if path.is_dir():
            net, optimiser = _training()
            extra = zoo_training.load_checkpoint(path, net, optimiser, epoch=0, note="")
            assert extra == {"epoch": 2, "note": "half way"}
            _step(net, optimiser)
            sums[path.name] = _sums(net)
    return sums


def download() -> None:
    """Every process asks for the same file at once."""
    dist.barrier()
    overlay = json.loads((FOLDER / "source.json").read_text())
    net = zoo.create_model("test_resnet", pretrained=True, num_classes=10, pretrained_cfg_overlay=overlay)
    assert torch.equal(net.fc.weight, zoo.create_model("test_resnet.digits", pretrained=True).fc.weight)


if __name__ == "__main__":
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    for check in sys.argv[2:]:
        found = globals()[check]()
        if found and dist.get_rank() == 0:
            (FOLDER / f"{check}{os.environ['WORLD_SIZE']}.json").write_text(json.dumps(found))
    dist.barrier()
    dist.destroy_process_group()
