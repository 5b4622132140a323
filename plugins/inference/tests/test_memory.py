"""The memory of weights and maps: kept, in large pages, and in parts with the same answers."""

from __future__ import annotations

import mmap
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import zoo_core
import zoo_inference
from hypothesis import given
from hypothesis import strategies as st
from small_nets import Answer, Residual, filled
from torch import Tensor, nn
from zoo_inference.check import largest_error
from zoo_inference.engines import in_torch, memory
from zoo_inference.engines.memory import images_at_once
from zoo_inference.engines.subject import Subject
from zoo_inference.graph import onednn
from zoo_inference.graph.trace import trace

MAP = 4 * 8 * 8 * 4
"""Bytes of an image's largest map in `Residual`, of 8x8 pixels."""


@given(batch=st.integers(1, 64), most=st.integers(1, 70))
def test_parts_are_equal_and_as_large_as_may_be(batch: int, most: int) -> None:
    images = torch.randn(min(batch, 2), 4, 8, 8)
    graph = trace(filled(Residual()), images)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "LARGE", most * MAP + 1)
        found = images_at_once(graph, images, batch)
    assert batch % found == 0
    assert found <= max(1, most)
    assert not any(batch % larger == 0 for larger in range(found + 1, min(batch, most) + 1))


@pytest.mark.skipif(bool(onednn.missing()), reason=onednn.missing())
@pytest.mark.parametrize("net", [Residual(), Answer()], ids=["tensor", "dict"])
def test_an_engine_in_parts_returns_what_the_network_does(net: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LARGE", 1)
    channels = next(filled(net).parameters()).shape[1]
    subject = Subject(net, torch.randn(6, channels, 8, 8))
    run = in_torch.fused(subject)
    assert len(subject.part) == 1
    with torch.no_grad():
        for batch in (6, 1, 4):
            x = torch.randn(batch, channels, 8, 8)
            assert largest_error(run(x), net(x.clone())) < 1e-6


@pytest.mark.skipif(bool(onednn.missing()), reason=onednn.missing())
@pytest.mark.parametrize("engine", ["fused", "winograd"])
def test_a_feature_extractor_may_run_in_parts(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net, images = filled(zoo_core.create_model("resnet18", features_only=True)), torch.randn(6, 3, 64, 64)
    monkeypatch.setattr(memory, "LARGE", 2 * 64 * 32 * 32 * 4 + 1)  # two images' first maps
    assert len(Subject(net, images).part) == 2
    fast = zoo_inference.with_engine(net, images, engine, tolerance=1e-5)
    with torch.no_grad():
        assert largest_error(fast(images), net(images)) < 1e-5


class OfTheBatch(nn.Module):
    """A network that returns something about all images together."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.conv(x)
        return {"maps": x, "mean": x.mean((0, 2, 3))}


@pytest.mark.skipif(bool(onednn.missing()), reason=onednn.missing())
def test_a_batch_whose_outputs_are_of_all_images_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LARGE", 1)
    net, images = OfTheBatch().eval(), torch.randn(6, 3, 9, 9)
    subject = Subject(net, images)
    run = in_torch.fused(subject)
    assert len(subject.part) == len(images)
    with torch.no_grad():
        assert largest_error(run(images), net(images)) < 1e-6


FAULTS = """
import resource
import torch
from torch import nn
from zoo_inference.engines.subject import Subject

torch.set_num_threads(1)
torch.set_grad_enabled(False)
layers = [nn.Conv2d(8, 8, 1) for _ in range(8)]
Subject(nn.Sequential(*layers).eval(), torch.randn(1, 8, 4, 4))
image = torch.randn(1, 8, 256, 512)  # maps of 4 MiB
faults = []
for _ in range(12):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    maps = [image, *(image := layer(image) for layer in layers)]  # all of them at once, as in a dense block
    image = maps[0]
    del maps
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(min(faults[4:]))  # a single run may have some: the heap still changes
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have other rules")
def test_memory_of_maps_is_not_cleared_anew_for_every_run() -> None:
    """Without the block that is freed, many processes have 8,000 faults in every run."""
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", FAULTS], check=True, capture_output=True, text=True)
        assert int(done.stdout) < 100


LARGE_PAGES = """
import re
from pathlib import Path
import torch
from torch import nn
from zoo_inference.engines.in_torch import fused
from zoo_inference.engines.subject import Subject

def in_large_pages():
    return int(re.search(r"AnonHugePages: +([0-9]+) kB", Path("/proc/self/smaps_rollup").read_text())[1])

torch.set_grad_enabled(False)
before, net = in_large_pages(), nn.Sequential(nn.Conv2d(1024, 1024, 3)).eval()  # weights of 36 MiB
fused(Subject(net, torch.randn(1, 1024, 8, 8)))
print(in_large_pages() - before)
"""


def collapses() -> bool:
    """Tell whether this system moves memory to large pages when it is asked to."""
    try:
        with mmap.mmap(-1, 8 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as some:
            some.write(bytes(len(some)))
            some.madvise(memory._COLLAPSE)
    except (AttributeError, OSError):  # of another system, of an older Linux
        return False
    return True


@pytest.mark.skipif(not collapses(), reason="this system has no large pages on demand")
@pytest.mark.skipif(bool(onednn.missing()), reason=onednn.missing())
def test_the_heap_moves_to_large_pages_when_an_engine_is_built() -> None:
    command = [sys.executable, "-c", LARGE_PAGES]
    assert int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) > 0


def test_a_system_without_such_a_file_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "_MAPS", tmp_path / "maps")
    memory.use_large_pages()
