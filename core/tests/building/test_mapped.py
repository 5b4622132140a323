"""A model on mapped weights is a model like any other: copied, pickled, shared, trained in
parallel."""

import copy
import io
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tiny import TinyConfig, TinyNet
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from zoo_core.building.build import build_model_with_cfg
from zoo_core.config import PretrainedCfg
from zoo_core.errors import WeightsError
from zoo_core.weights.loading.load import load_custom_pretrained

IMAGES = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=["safetensors", "pth"])
def file(tmp_path, request):
    torch.manual_seed(1)
    path = tmp_path / f"tiny.{request.param}"
    (save_file if request.param == "safetensors" else torch.save)(TinyNet().state_dict(), path)
    return path


@pytest.fixture
def model(file):
    return mapped(file)


def mapped(path, **options):
    cfg = PretrainedCfg(file=str(path), num_classes=5, input_size=(3, 32, 32), first_conv="stem", classifier="fc")
    options = {"model_cfg": TinyConfig(), "default_cfg": cfg, "mmap": True, **options}
    return build_model_with_cfg(TinyNet, "tiny", True, **options).eval()


def step(model: nn.Module) -> None:
    """One of training, that changes every weight."""
    model.train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    model(IMAGES).square().sum().backward()
    optimiser.step()
    model.eval()


def pickled(model: nn.Module) -> nn.Module:
    return pickle.loads(pickle.dumps(model))


def saved(model: nn.Module) -> nn.Module:
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    buffer.seek(0)
    other = TinyNet().eval()
    other.load_state_dict(torch.load(buffer, weights_only=True))
    return other


@pytest.mark.parametrize("again", [copy.deepcopy, pickled, saved])
def test_a_copy_is_equal_and_its_own(model, again):
    logits = model(IMAGES)
    other = again(model)
    assert torch.equal(other(IMAGES), logits)
    step(other)
    assert not torch.equal(other(IMAGES), logits)
    assert torch.equal(model(IMAGES), logits)


def test_shared_memory_is_shared_with_a_process_and_the_file_is_not(model, file, tmp_path):
    before = file.read_bytes()
    model.share_memory()
    worker = torch.multiprocessing.get_context("fork").Process(target=_zero, args=(model.fc.bias,))
    worker.start()
    worker.join(60)
    assert worker.exitcode == 0
    assert model.fc.bias.abs().sum() == 0
    assert file.read_bytes() == before


def _zero(tensor: torch.Tensor) -> None:
    with torch.no_grad():
        tensor.zero_()


def test_distributed_training_changes_the_model_and_not_the_file(model, file, tmp_path):
    before, logits = file.read_bytes(), model(IMAGES)
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/rendezvous", rank=0, world_size=1)
    try:
        step(DistributedDataParallel(model))
    finally:
        torch.distributed.destroy_process_group()
    assert not torch.equal(model(IMAGES), logits)
    assert file.read_bytes() == before
    assert torch.equal(mapped(file)(IMAGES), logits)


def test_memory_of_its_own_is_taken_for_what_is_written_alone(tmp_path):
    """In a process of its own, on weights of 40 MB: loading takes next to nothing, a step all of
    it."""
    path = tmp_path / "wide.safetensors"
    save_file({"weight": torch.zeros(10_000, 1000)}, path)
    code = f"""
import torch
from zoo_core.weights.loading.state_dict import read_state_dict
def private():
    with open("/proc/self/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Anonymous:")) // 1024
torch.zeros(1).add_(1)
before = private()
weight = read_state_dict({str(path)!r}, mapped=True)["weight"]
weight.sum()
loaded = private()
weight += 1
print(loaded - before, private() - loaded)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    loaded, written = map(int, run.stdout.split())
    assert loaded < 4
    assert written > 30


def test_a_checkpoint_adapts_as_pretrained_weights_do(file):
    whole = mapped(file)
    adapted = mapped(file, num_classes=7, in_chans=1)
    assert torch.equal(adapted.stem.weight, whole.stem.weight.sum(1, keepdim=True))
    assert torch.equal(adapted.stages[0][0].weight, whole.stages[0][0].weight)
    assert adapted(IMAGES[:, :1]).shape == (2, 7)
    extractor = mapped(file, features_only=True, out_indices=(1,))
    assert torch.equal(extractor(IMAGES)[0], whole.forward_intermediates(IMAGES, [1])[1][0])


class Scribbled(TinyNet):
    """A network whose weights are a number in a text file."""

    def load_pretrained(self, path):
        nn.init.constant_(self.fc.bias, float(Path(path).read_text()))


def test_weights_of_a_form_of_its_own_are_read_by_the_network(tmp_path):
    (tmp_path / "weights.txt").write_text("3.5")
    cfg = PretrainedCfg(file=str(tmp_path / "weights.txt"), num_classes=5, input_size=(3, 32, 32), custom_load=True)
    model = build_model_with_cfg(Scribbled, "scribbled", True, default_cfg=cfg, model_cfg=TinyConfig())
    assert model.fc.bias.tolist() == [3.5] * 5
    load_custom_pretrained(model, load_fn=lambda net, path: net.fc.bias.data.zero_())
    assert model.fc.bias.tolist() == [0.0] * 5
    with pytest.raises(WeightsError, match="TinyNet has no load_pretrained"):
        build_model_with_cfg(TinyNet, "tiny", True, default_cfg=cfg, model_cfg=TinyConfig())
