"""Wrappers' prefixes of state dicts, and names of the model's own that look like them."""

import pytest
import torch
from torch import nn
from zoo_core.weights.loading.unwrap import unwrapped_for


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["module.fc.weight", "module.fc.bias"], ["fc.weight", "fc.bias"]),
        (["_orig_mod.module.fc.weight"], ["fc.weight"]),
        (["model.module.fc.weight"], ["fc.weight"]),
        (["fc.weight", "module.fc.bias"], ["fc.weight", "module.fc.bias"]),
        (["net.weight", "net.bias"], ["net.weight", "net.bias"]),
        ([], []),
    ],
    ids=["parallel", "compiled", "training loop", "not all", "a child of the model", "nothing"],
)
def test_a_prefix_comes_off_where_it_leads_all_names_and_is_no_child(keys: list[str], expected: list[str]) -> None:
    net = nn.ModuleDict({"fc": nn.Linear(2, 2), "net": nn.Linear(2, 2)})
    state_dict = {key: torch.zeros(1) for key in keys}
    assert list(unwrapped_for(net, state_dict)) == expected
    assert list(state_dict) == keys, "what was given stays as it was"
