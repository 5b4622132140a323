"""Every architecture, and the weights that the plugins ship: minutes."""

from __future__ import annotations

import pytest
import torch
import zoo_core
from small_nets import filled
from zoo_inference.check import largest_error
from zoo_inference.engines.subject import Subject
from zoo_inference.engines.table import ENGINES, chosen_engines
from zoo_inference.graph import onednn
from zoo_inference.graph import tile as module
from zoo_inference.refused import Refused

pytestmark = pytest.mark.exhaustive

MOST = 60_000_000
SIZE = 64
FAMILIES = ["resnet", "densenet", "xception", "cspnet"]


@pytest.mark.parametrize("tiles", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_architecture_is_exact_in_pytorch(family: str, tiles: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [name for name in zoo_core.list_models(family=family) if not name.startswith("test_")]
    # Fused starts from folded, and grown from both: one engine shows what all passes do.
    engine = "folded" if onednn.missing() else "winograd" if tiles else "grown" if family == "densenet" else "fused"
    monkeypatch.setattr(module, "LAYER", -1e18)  # tiles wherever they can be
    compared, worst = 0, 0.0
    for name in names:
        with torch.device("meta"):
            if sum(p.numel() for p in zoo_core.create_model(name).parameters()) >= MOST:
                continue
        net, x = filled(zoo_core.create_model(name)), torch.randn(1, 3, SIZE, SIZE)
        try:
            with torch.no_grad():
                error = largest_error(ENGINES[engine].build(Subject(net, x))(x), net(x))
        except Refused:
            assert tiles, name  # all of its 3x3 convolutions may be grouped
            continue
        assert error < 1e-4, name
        compared, worst = compared + 1, max(worst, error)
    assert compared > 3
    print(f"{family}: {compared} architectures, largest error {worst:.1e}")


@pytest.mark.parametrize("name", [f"test_{family}.digits" for family in FAMILIES])
def test_every_engine_reads_the_digits_alike(name: str) -> None:
    from sklearn.datasets import load_digits

    images = torch.from_numpy(load_digits().images).float()[:, None] / 16
    images = torch.nn.functional.interpolate(images, size=(32, 32)).repeat(1, 3, 1, 1) * 2 - 1
    net = zoo_core.create_model(name, pretrained=True).eval()
    subject, read = Subject(net, images[:8]), 0
    with torch.no_grad():
        expected = net(images).argmax(1)
        for engine in chosen_engines("auto", "cpu", 60):
            try:
                run = ENGINES[engine].build(subject)
            except Refused:
                continue
            assert torch.equal(run(images).argmax(1), expected), engine
            read += 1
    assert read >= 6
