"""The names of ``timm.utils`` that concern models; the rest is an installed timm's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core import freeze_batch_norm, unfreeze_batch_norm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch
    from torch import Tensor, nn

__all__ = ["accuracy", "freeze", "get_state_dict", "reparameterize_model", "unfreeze", "unwrap_model"]


def unwrap_model(model: Any) -> nn.Module:
    """Return the network inside DistributedDataParallel, `torch.compile` or a moving average."""
    for name in ("_orig_mod", "module", "ema"):
        if (inner := getattr(model, name, None)) is not None and hasattr(inner, "state_dict"):
            return unwrap_model(inner)
    network: nn.Module = model
    return network


def get_state_dict(model: nn.Module, unwrap_fn: Callable[[Any], nn.Module] = unwrap_model) -> dict[str, Tensor]:
    """Return the state dict of the network inside wrappers."""
    return dict(unwrap_fn(model).state_dict())


def reparameterize_model(model: nn.Module, inplace: bool = False) -> nn.Module:
    """Call ``fuse`` or ``reparameterize`` of each module; on a copy unless `inplace`."""
    from copy import deepcopy

    model = model if inplace else deepcopy(model)
    for module in [*model.modules()]:
        for name in ("fuse", "reparameterize", "switch_to_deploy"):
            if callable(method := getattr(module, name, None)):
                method()
                break
    return model


def freeze(
    root_module: nn.Module, submodules: Sequence[str] = (), include_bn_running_stats: bool = True, mode: str = "freeze"
) -> None:
    """Stop training of parameters, and of the statistics of batch norms, in modules by name.

    Args:
        root_module: the network.
        submodules: names of modules below it; by default the whole network.
        include_bn_running_stats: replace batch norms by frozen ones too.
        mode: ``"freeze"`` or ``"unfreeze"``.
    """
    for name in submodules or [name for name, _ in root_module.named_children()]:
        module = root_module.get_submodule(name)
        module.requires_grad_(mode == "unfreeze")
        if include_bn_running_stats:
            changed = (freeze_batch_norm if mode == "freeze" else unfreeze_batch_norm)(module)
            if changed is not module:
                parent, _, last = name.rpartition(".")
                setattr(root_module.get_submodule(parent), last, changed)
    if not submodules:
        root_module.requires_grad_(mode == "unfreeze")


def unfreeze(root_module: nn.Module, submodules: Sequence[str] = (), include_bn_running_stats: bool = True) -> None:
    """Undo `freeze`."""
    freeze(root_module, submodules, include_bn_running_stats, "unfreeze")


def accuracy(output: torch.Tensor, target: torch.Tensor, topk: tuple[int, ...] = (1,)) -> list[torch.Tensor]:
    """Return the percentages of images whose class is among the top k.

    Args:
        output: logits, (batch, classes).
        target: classes, (batch,).
        topk: which k.
    """
    most = min(max(topk), output.size(1))
    hits = output.topk(most, 1).indices.eq(target[:, None])
    return [hits[:, : min(k, most)].any(1).float().mean() * 100.0 for k in topk]
