"""The published weights."""

from __future__ import annotations

from zoo_core.config import INCEPTION_MEAN, INCEPTION_STD, PretrainedCfg

DIGITS = PretrainedCfg(
    url="package:zoo_tinyvit/weights/tinyvit_48.digits.safetensors",
    sha256="8565b9cd0b2828e07a8f4aefcc5d8554567a7fe63a4c3467461410fc386d2a63",
    input_size=(3, 32, 32),
    crop_pct=1.0,
    mean=INCEPTION_MEAN,
    std=INCEPTION_STD,
    num_classes=10,
    label_names=tuple("0123456789"),
    license="cc-by-4.0",
    description="Handwritten digits 0 to 9, light ink on a dark ground",
    origin_url="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
    notes=("accuracy: share right of a held-out fifth of the digits; the same people wrote the rest",),
    metrics={"accuracy": 0.9972},
)
"""Trained by ``examples/train_digits.py`` of Zoo's repository."""

PRETRAINED: dict[str, PretrainedCfg] = {
    "tinyvit_48.digits": DIGITS,
    "tinyvit_96": PretrainedCfg(input_size=(3, 64, 64)),
}
