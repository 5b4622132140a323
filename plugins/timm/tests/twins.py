"""One network made twice, by timm and by Zoo, from the same local file of weights."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
import zoo_core as zoo
from safetensors.torch import save_file
from torch import Tensor, nn


def weights(net: nn.Module, path: Path) -> Path:
    """Save values that no constructor draws, so that what was not loaded shows.

    They stay near those drawn: with an offset, deep networks yield NaN, which equals any other.
    """
    with torch.no_grad():
        for tensor in net.state_dict().values():
            if tensor.is_floating_point():
                tensor.mul_(0.9).add_(torch.randn_like(tensor), alpha=0.01)
    save_file({key: value.clone().contiguous() for key, value in net.state_dict().items()}, path)
    return path


def pair(architecture: str, path: Path, **options: Any) -> tuple[nn.Module, nn.Module]:
    """Return timm's network and Zoo's, both with the weights in the file."""
    import timm

    overlay = {"file": str(path)}
    torch.manual_seed(0)
    theirs = timm.create_model(architecture, pretrained=True, pretrained_cfg_overlay=overlay, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = zoo.create_model(f"zoo-timm/{architecture}", True, pretrained_cfg_overlay=overlay, **options)
    return theirs.eval(), ours.eval()


def named(net: nn.Module) -> dict[str, Tensor]:
    """Every parameter and every buffer, those that no state dict has too."""
    return {**dict(net.named_parameters()), **dict(net.named_buffers())}


def assert_same(theirs: nn.Module, ours: nn.Module, but: tuple[str, ...] = ()) -> None:
    """Assert that both have the same tensors, bit for bit, but for the names given."""
    assert type(theirs) is type(ours)
    assert str(theirs) == str(ours)
    assert list(theirs.state_dict()) == list(ours.state_dict())
    expected, got = named(theirs), named(ours)
    assert list(expected) == list(got)
    for name, tensor in expected.items():
        if name not in but:
            assert torch.equal(tensor.nan_to_num(7.0), got[name].nan_to_num(7.0)), name
        assert tensor.dtype == got[name].dtype
        assert tensor.requires_grad == got[name].requires_grad


def outputs(net: nn.Module, size: tuple[int, ...], batch: int = 1) -> Any:
    """Run a network on an image that is the same every time."""
    with torch.no_grad():
        return net(torch.rand(batch, *size, generator=torch.Generator().manual_seed(1)))
