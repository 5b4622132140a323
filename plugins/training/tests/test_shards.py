"""Reading a file into a network of one process; several processes: tests/training of Zoo."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import zoo_training
from safetensors.torch import save_file
from torch import nn
from zoo_core.errors import OptionError, WeightsError


def net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 5))


def test_every_tensor_is_read_once(tmp_path: Path) -> None:
    source, target = net(), net()
    nn.init.normal_(source[1].running_mean)
    save_file(source.state_dict(), tmp_path / "weights.safetensors")
    reading = zoo_training.load_shards(target, tmp_path / "weights.safetensors")
    for (key, one), other in zip(source.state_dict().items(), target.state_dict().values(), strict=True):
        assert torch.equal(one, other), key
    assert reading.read == reading.total == sum(value.nbytes for value in source.state_dict().values())
    assert reading.largest == source[0].weight.nbytes


def test_another_dtype_is_converted(tmp_path: Path) -> None:
    source, target = net(), net().double()
    save_file(source.half().state_dict(), tmp_path / "weights.safetensors")
    zoo_training.load_shards(target, tmp_path / "weights.safetensors")
    assert torch.equal(target[0].weight, source[0].weight.double())


def test_what_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    target = net()
    before = {key: value.clone() for key, value in target.state_dict().items()}
    save_file({"0.weight": torch.zeros(8, 3, 3, 3), "1.scale": torch.ones(8)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match=r"do not fit the network: missing \(\d+\): 0.bias"):
        zoo_training.load_shards(target, tmp_path / "other.safetensors")
    (tmp_path / "short.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{}")
    with pytest.raises(WeightsError, match="truncated or damaged"):
        zoo_training.load_shards(target, tmp_path / "short.safetensors")
    with pytest.raises(WeightsError, match="cannot be read: No such file"):
        zoo_training.load_shards(target, tmp_path / "none.safetensors")
    assert all(torch.equal(value, before[key]) for key, value in target.state_dict().items())


def test_a_network_without_memory_is_refused(tmp_path: Path) -> None:
    with torch.device("meta"):
        target = net()
    with pytest.raises(WeightsError, match=r"0\.weight is on the meta device: give the network memory"):
        zoo_training.load_shards(target, tmp_path / "weights.safetensors")


def test_a_folder_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="holds no checkpoint that was written to its end"):
        zoo_training.load_checkpoint(tmp_path, net())


def test_a_network_without_a_linear_classifier_is_refused() -> None:
    with pytest.raises(OptionError, match="the classifier of Sequential is no linear layer"):
        zoo_training.shard_classifier(net(), None)
