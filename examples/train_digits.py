"""Train a small architecture on scikit-learn's handwritten digits, for weights in a package.

    python examples/train_digits.py test_resnet --output plugins/resnet/src/zoo_resnet/weights

Writes ``<architecture>.digits.safetensors``, well under 1 MB, and prints the default config to
record for it. The same bits come out every time on one machine: one thread, seeded, deterministic
algorithms. Takes about a minute.

The digits are 8 x 8 grey images. Each becomes the picture it would be as a PNG file and goes
through the transform of `zoo_images.transform`, bicubically enlarged to 3 x 32 x 32, so that ``zoo
classify`` sees a file as training did. A fixed fifth of them, stratified by digit, is held out and
only ever used to measure the accuracy that is recorded.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import struct
import sys
from pathlib import Path

import torch
import zoo_core
from PIL import Image
from safetensors.torch import save
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional
from zoo_core.config import PretrainedCfg
from zoo_images.transform import transform_image

SEED = 0
EPOCHS = 40
BATCH = 64
PEAK_RATE = 4e-3
SHIFT = 3
"""The largest shift of a training image, in pixels of its 32."""
LEAST_ACCURACY = 0.97
MOST_BYTES = 1_000_000

ORIGIN = "https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits"
DATA = "Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, 1998, doi:10.24432/C50P49"
CFG = PretrainedCfg(
    input_size=(3, 32, 32),
    interpolation="bicubic",
    crop_pct=1.0,
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    num_classes=10,
    label_names=tuple("0123456789"),
    license="cc-by-4.0",
    origin_url=ORIGIN,
    description="Handwritten digits 0 to 9, light ink on a dark ground",
    notes=("accuracy: share right of a held-out fifth of the digits; the same people wrote the rest",),
)


def digit_images() -> tuple[list[Image.Image], list[int]]:
    """Return the 1,797 digits as grey images of 8 x 8, levels in 0..255, and their labels."""
    digits = load_digits()
    levels = (digits.images * 255 / 16).round().astype("uint8")
    return [Image.fromarray(level) for level in levels], digits.target.tolist()


def split() -> tuple[list[int], list[int]]:
    """Return the indices to train on and those held out: always the same, a fifth of each digit."""
    labels = load_digits().target
    train, held_out = train_test_split(range(len(labels)), test_size=0.2, stratify=labels, random_state=SEED)
    return train, held_out


def train(network: nn.Module, inputs: Tensor, labels: Tensor, epochs: int) -> None:
    """Fit `network` to `inputs` (digits, 3, 32, 32), shifted a little at random in every epoch."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=PEAK_RATE, weight_decay=0.05)
    steps = epochs * (len(inputs) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_RATE, total_steps=steps)
    network.train()
    for _ in range(epochs):
        order = torch.randperm(len(inputs))
        # The last, smaller batch is left out: batch norm wants enough images, and the order changes
        # every time.
        for chosen in order[: len(order) // BATCH * BATCH].split(BATCH):
            loss = functional.cross_entropy(network(moved(inputs[chosen])), labels[chosen], label_smoothing=0.1)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()


def moved(images: Tensor) -> Tensor:
    """Shift each image (batch, channels, height, width) by up to `SHIFT` pixels either way."""
    height, width = images.shape[-2:]
    padded = functional.pad(images, [SHIFT] * 4, value=-1.0)
    corners = torch.randint(0, 2 * SHIFT + 1, (len(images), 2)).tolist()
    return torch.stack([image[:, y : y + height, x : x + width] for image, (y, x) in zip(padded, corners, strict=True)])


@torch.inference_mode()
def accuracy(network: nn.Module, inputs: Tensor, labels: Tensor) -> float:
    """The share of `inputs` whose largest logit is the right digit's."""
    return (network.eval()(inputs).argmax(dim=1) == labels).double().mean().item()


def halved(network: nn.Module) -> dict[str, Tensor]:
    """Return the state dict in half precision, but for tensors of one value per channel."""
    state = network.state_dict()
    return {name: value.half() if value.dim() > 1 else value for name, value in state.items()}


def to_bytes(state: dict[str, Tensor], metadata: dict[str, str]) -> bytes:
    """Write a safetensors file with a sorted header; the library's order of metadata varies."""
    file = save(state, metadata=metadata)
    length = struct.unpack("<Q", file[:8])[0]
    header = json.dumps(json.loads(file[8 : 8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + file[8 + length :]


def make_weights(architecture: str, epochs: int = EPOCHS) -> tuple[bytes, float]:
    """Train `architecture`. Returns its safetensors file and the accuracy on held-out digits."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    images, answers = digit_images()
    inputs, labels = torch.stack([transform_image(image, CFG) for image in images]), torch.tensor(answers)
    seen, held_out = split()
    network = zoo_core.create_model(architecture, num_classes=CFG.num_classes)
    train(network, inputs[seen], labels[seen], epochs)
    state = halved(network)
    network.load_state_dict(state)  # What is measured is what is written: the rounded weights.
    score = accuracy(network, inputs[held_out], labels[held_out])
    metadata = {
        "format": "pt",
        "architecture": architecture,
        "tag": "digits",
        "data": DATA,
        "license": "CC BY 4.0",
        "origin_url": ORIGIN,
        "accuracy": f"{score:.4f}",
        "trained_by": "examples/train_digits.py",
    }
    return to_bytes(state, metadata), score


def main() -> int:
    """Train, measure, write, and print what to record."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("architecture", help="such as test_resnet")
    parser.add_argument("--output", type=Path, default=Path(), help="the folder to write to (default: this one)")
    args = parser.parse_args()

    file, score = make_weights(args.architecture)
    print(f"{args.architecture}: {score:.2%} of the held-out digits right", file=sys.stderr)
    if score < LEAST_ACCURACY:
        print(f"that is less than {LEAST_ACCURACY:.0%}: nothing written", file=sys.stderr)
        return 1
    if len(file) >= MOST_BYTES:
        print(f"{len(file):,} bytes are too many to ship: nothing written", file=sys.stderr)
        return 1
    args.output.mkdir(parents=True, exist_ok=True)
    path = args.output / f"{args.architecture}.digits.safetensors"
    path.write_bytes(file)
    print(f"wrote {path}, {len(file):,} bytes", file=sys.stderr)
    measured = {"sha256": hashlib.sha256(file).hexdigest(), "metrics": {"accuracy": round(score, 4)}}
    recorded = {**CFG.to_dict(), **measured}
    for field in dataclasses.fields(CFG):
        if recorded[field.name] != field.default:
            print(f"{field.name}={recorded[field.name]!r},")
    return 0


if __name__ == "__main__":
    sys.exit(main())
