"""The published weights, and their former names."""

from __future__ import annotations

from zoo_core.config import INCEPTION_MEAN, INCEPTION_STD, PretrainedCfg

DIGITS = PretrainedCfg(
    url="package:zoo_tinynet/weights/tinynet_8.digits.safetensors",
    sha256="9663c13b631544527b12e3a4219116d95c697c0ac2d13dda15b5ff97d54c7db5",
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
    "tinynet_8.digits": DIGITS,
    "tinynet_16": PretrainedCfg(input_size=(3, 64, 64)),
}

ALIASES = {"tinynet": "tinynet_8", "tinynet_digits": "tinynet_8.digits"}
"""Names of version 0.1."""
