"""Extractors on the meta device: no memory, and a table that is right, for every architecture
installed."""

import json
import subprocess
import sys
from pathlib import Path

import peers
import pytest
import torch
import zoo_core as zoo
from extractors import FAMILIES, WRAPPERS, maps_of
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

FACTS = json.loads((Path(__file__).parents[1] / "facts/architectures.json").read_text(encoding="utf-8"))
ARCHITECTURES = zoo.list_models(module=peers.FAMILIES)
SIZE = 96, 128


# Reserving memory takes none, until something writes to it.
RESERVE = {torch.ops.aten.empty.memory_format, torch.ops.aten.detach.default}


class Memory(TorchDispatchMode):
    """Notes the largest tensor that an operation writes anywhere but on the meta device, in
    bytes."""

    largest = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for item in () if function in RESERVE else tree_leaves(result):
            if isinstance(item, torch.Tensor) and not item.is_meta:
                self.largest = max(self.largest, item.nbytes)
        return result


def assert_free_and_right(name, **options):
    """Building and running it takes no memory; every map is what the table says, and the table what
    timm's says."""
    with Memory() as memory:
        extract = zoo.create_model(name, features_only=True, device="meta", **options).eval()
        maps = maps_of(extract(torch.empty(1, 3, *SIZE, device="meta")))
    assert memory.largest < 1 << 16  # vectors of a number for each channel, and no weights
    assert all(tensor.is_meta for tensor in extract.state_dict().values())
    table = extract.feature_info
    for item, channels, reduction in zip(maps, table.channels(), table.reduction(), strict=True):
        assert item.shape[1] == channels
        # Convolutions without padding, as the original Xception has, leave a few pixels out.
        assert all(-4 <= pixels - side / reduction < 1 for pixels, side in zip(item.shape[2:], SIZE, strict=True))
    # Who asks for an encoder's channels and strides gets the same answer without building it.
    known = zoo.describe(name)
    for index, row in enumerate(zip(known.channels, known.reductions, known.modules, known.layouts, strict=True)):
        assert (table.channels(index), table.reduction(index), table.module_name(index), "NCHW") == row
    assert len(known.channels) == len(table)
    if name in FACTS:
        stated = FACTS[name]["features"]  # of at most five maps, where timm's wrappers stop by default
        rows = zip(stated["channels"], stated["reduction"], stated["module"], strict=True)
        for index, row in enumerate(rows):
            assert (table.channels(index), table.reduction(index), table.module_name(index)) == row


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("feature_cls", WRAPPERS)
def test_every_wrapper_is_built_and_run_without_memory(name, feature_cls):
    assert_free_and_right(name, feature_cls=feature_cls, out_indices=(2, 0))


def test_a_large_network_is_built_in_no_memory():
    code = """
import resource, zoo_core as zoo
zoo.create_model("resnet18", device="meta")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
net = zoo.create_model("resnet152", device="meta")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, sum(p.nbytes for p in net.parameters()) // 1024)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    peak, weights = map(int, run.stdout.split())
    assert peak < weights / 10


@pytest.mark.heavy
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_is_built_and_run_without_memory(name):
    assert_free_and_right(name)
