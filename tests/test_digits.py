"""The weights in plugins: small, licensed, of the stated accuracy, reproducible to the bit."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import zoo_core
from safetensors import safe_open
from zoo_core.config import PretrainedCfg
from zoo_core.weights.fetch import fetch_weights

pytest.importorskip("PIL.Image")
pytest.importorskip("sklearn")

EXAMPLES = Path(__file__).parents[1] / "examples"
NAMES = zoo_core.list_pretrained("*.digits")


def test_there_are_digits_weights_to_test() -> None:
    assert "test_resnet.digits" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_small_and_says_where_it_comes_from(name: str) -> None:
    cfg = zoo_core.get_pretrained_cfg(name)
    path = fetch_weights(cfg)
    assert path.stat().st_size < 1_000_000
    assert hashlib.sha256(path.read_bytes()).hexdigest() == cfg.sha256
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    assert metadata["license"] == "CC BY 4.0"
    assert metadata["origin_url"] == cfg.origin_url
    assert f"{metadata['architecture']}.{metadata['tag']}" == name
    assert float(metadata["accuracy"]) == cfg.metrics["accuracy"]


@pytest.mark.parametrize("name", NAMES)
def test_the_recorded_accuracy_is_that_of_the_held_out_digits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import train_digits
    from zoo_images.transform import transform_image

    net = zoo_core.create_model(name, pretrained=True).eval()
    cfg = PretrainedCfg.from_dict(net.pretrained_cfg)
    images, labels = train_digits.digit_images()
    seen, held_out = train_digits.split()
    assert not set(seen) & set(held_out)
    inputs = torch.stack([transform_image(images[index], cfg) for index in held_out])
    accuracy = train_digits.accuracy(net, inputs, torch.tensor([labels[index] for index in held_out]))
    assert accuracy >= 0.97
    # Another machine's rounding may turn one borderline digit of the 360.
    assert accuracy == pytest.approx(cfg.metrics["accuracy"], abs=0.004)


@pytest.mark.heavy
def test_training_twice_gives_the_same_bytes() -> None:
    program = (
        "import hashlib, train_digits; file, score = train_digits.make_weights('test_resnet', epochs=2)\n"
        "print(hashlib.sha256(file).hexdigest(), score > 0.2)"
    )
    first, second = (
        subprocess.run([sys.executable, "-c", program], cwd=EXAMPLES, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    )
    assert first == second
    assert first.endswith("True\n")
