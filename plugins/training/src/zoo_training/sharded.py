"""Networks that are sharded from the beginning: no process ever holds a whole one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zoo_core
from torch import nn
from torch.distributed.fsdp import fully_shard
from zoo_core.config import PretrainedCfg
from zoo_core.errors import OptionError, WeightsError
from zoo_core.weights.fetch import fetch_weights

from zoo_training.shards import load_shards

if TYPE_CHECKING:
    from os import PathLike

    import torch
    from torch.distributed.device_mesh import DeviceMesh


def create_sharded(
    model_name: str,
    mesh: DeviceMesh,
    *,
    path: str | PathLike[str] | None = None,
    device: torch.device | str | None = None,
    seed: int = 0,
    options: dict[str, Any] | None = None,
    **fsdp: Any,
) -> nn.Module:
    """Create a pretrained network by name, sharded over the processes of `mesh` by FSDP2.

    Examples:
        >>> net = create_sharded("resnet50.a1_in1k", init_device_mesh("cuda", (8,)))

    It is built on the meta device and sharded; then each process reads its part of the file. One
    process of a machine downloads the file, and the others wait for it.

    Args:
        model_name: as for `zoo_core.create_model`.
        mesh: the processes.
        path: a safetensors file, instead of that of the name's default config.
        device: of the shards; None for the mesh's.
        seed: of a fresh classifier.
        options: of the network: ``{"num_classes": 10}``.
        fsdp: further options of `torch.distributed.fsdp.fully_shard`.

    Raises:
        OptionError: for a feature extractor, which is made of a whole network.
        WeightsError: for weights that do not exist, are no safetensors or do not fit.
    """
    options = dict(options or {})
    if options.get("features_only"):
        raise OptionError("create_sharded makes whole networks; use their forward_intermediates")
    net = zoo_core.create_model(model_name, device="meta", **options)
    file = path or fetch_weights(PretrainedCfg.from_dict(net.pretrained_cfg))
    if not str(file).endswith(".safetensors"):
        raise WeightsError(f"{file} is no safetensors file, the one format that can be read in parts")
    for stage in stages_of(net):
        fully_shard(stage, mesh=mesh, **fsdp)
    fully_shard(net, mesh=mesh, **fsdp)
    net.to_empty(device=device or mesh.device_type)
    _fill_fixed_buffers(net)
    load_shards(net, file, seed=seed)
    return net


def stages_of(net: nn.Module) -> list[nn.Module]:
    """Return what is gathered and let go as one: sequences of blocks, the outermost ones."""
    found: list[nn.Module] = []
    inside: set[nn.Module] = set()
    for module in net.modules():
        is_sequence = (
            isinstance(module, nn.Sequential) and len(module) > 1 and any(any(block.children()) for block in module)
        )
        # A walk iterates over a sequence that holds the maps' modules, and does not call it.
        if is_sequence and module not in inside and not _holds_maps(net, module):
            found.append(module)
            inside.update(module.modules())
    return found


def _holds_maps(net: Any, module: nn.Module) -> bool:
    maps = {net.get_submodule(row["module"]) for row in getattr(net, "feature_info", ())}
    return any(child in maps for child in module.modules() if child is not module)


def _fill_fixed_buffers(net: nn.Module) -> None:
    """Fill the buffers that no file has, such as the filters of anti-aliasing."""
    for name, module in net.named_modules():
        if module._non_persistent_buffers_set:
            if not callable(reset := getattr(module, "reset_parameters", None)):
                raise WeightsError(f"{name}, of {type(module).__name__}, has buffers that no file has, and no reset")
            reset()
