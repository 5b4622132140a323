"""The state dict in a file: by itself, in a checkpoint, behind a wrapper's prefix, or none."""

import collections
from pathlib import Path
from typing import Any

import pytest
import torch
from zoo_core.errors import WeightsError
from zoo_core.weights.loading.state_dict import read_state_dict

STATE = {"conv.weight": torch.arange(6.0).reshape(2, 3), "bn.num_batches_tracked": torch.tensor(3)}


def check(path: Path, **options: Any) -> None:
    state_dict = read_state_dict(path, **options)
    assert list(state_dict) == list(STATE)
    assert all(torch.equal(state_dict[name], tensor) for name, tensor in STATE.items())


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "pickle"])
def test_what_torch_save_writes(tmp_path: Path, zipped: bool) -> None:
    torch.save(STATE, tmp_path / "net.pth", _use_new_zipfile_serialization=zipped)
    check(tmp_path / "net.pth")


@pytest.mark.parametrize(
    "wrapped",
    [
        {"state_dict": STATE, "epoch": 3, "optimizer": {"lr": 0.1}},
        {"model": STATE},
        {"model": {"state_dict": STATE}},
        {f"module.{name}": tensor for name, tensor in STATE.items()},
        {"state_dict": {f"module._orig_mod.{name}": tensor for name, tensor in STATE.items()}},
        collections.OrderedDict(STATE),
    ],
    ids=["checkpoint", "model", "nested", "parallel", "compiled", "ordered"],
)
def test_checkpoints_of_training_programs(tmp_path: Path, wrapped: Any) -> None:
    torch.save(wrapped, tmp_path / "checkpoint.pth.tar")
    check(tmp_path / "checkpoint.pth.tar")


def test_ema_weights_are_chosen_or_not(tmp_path: Path) -> None:
    other = {name: tensor + 1 for name, tensor in STATE.items()}
    torch.save({"state_dict": other, "state_dict_ema": STATE}, tmp_path / "ema.pth")
    check(tmp_path / "ema.pth")
    torch.save({"state_dict": STATE, "state_dict_ema": other}, tmp_path / "ema.pth")
    check(tmp_path / "ema.pth", use_ema=False)


def test_a_module_that_is_named_module_keeps_its_name(tmp_path: Path) -> None:
    torch.save({"module.weight": torch.ones(1), "bias": torch.ones(1)}, tmp_path / "net.pth")
    assert read_state_dict(tmp_path / "net.pth").keys() == {"module.weight", "bias"}


def test_wrappers_in_either_order_are_taken_off(tmp_path: Path) -> None:
    for wrappers in ("module._orig_mod.", "_orig_mod.module.", "module.module."):
        torch.save({f"{wrappers}fc.{name}": torch.ones(1) for name in ("weight", "bias")}, tmp_path / "net.pth")
        assert read_state_dict(tmp_path / "net.pth").keys() == {"fc.weight", "fc.bias"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([torch.ones(1)], "holds a list"),
        ({"lr": 0.1, "weight": torch.ones(1)}, "besides tensors it has lr"),
        ({}, "no tensors"),
        ({"state_dict": {}}, "no tensors"),
    ],
)
def test_what_holds_no_state_dict_says_what_it_holds(tmp_path: Path, value: Any, message: str) -> None:
    torch.save(value, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=message):
        read_state_dict(tmp_path / "net.pth")


def test_names_that_are_numbers_are_one_line(tmp_path: Path) -> None:
    torch.save({1: torch.ones(1)}, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="an entry that is named 1; names are strings"):
        read_state_dict(tmp_path / "net.pth")


def test_a_table_that_holds_itself_is_no_state_dict(tmp_path: Path) -> None:
    content: dict[str, Any] = {}
    content["state_dict"] = content
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="no state dict"):
        read_state_dict(tmp_path / "net.pth")
