"""The published weights: ``architecture.tag`` to default config, the default tag first."""

from __future__ import annotations

from dataclasses import replace

from zoo_core.config import INCEPTION_MEAN, INCEPTION_STD, PretrainedCfg

INCEPTION = PretrainedCfg(input_size=(3, 299, 299), mean=INCEPTION_MEAN, std=INCEPTION_STD, license="apache-2.0")
TF = replace(INCEPTION, crop_pct=0.903)
"""DeepLab's, converted from TensorFlow."""
RA3 = replace(INCEPTION, crop_pct=0.94)
"""timm's, with RandAugment (https://arxiv.org/abs/1909.13719)."""

WEIGHTS: dict[str, PretrainedCfg] = {
    "xception41.tf_in1k": TF,
    "xception41p.ra3_in1k": RA3,
    "xception65.ra3_in1k": RA3,
    "xception65.tf_in1k": TF,
    "xception65p.ra3_in1k": RA3,
    "xception71.tf_in1k": TF,
}

DIGITS = PretrainedCfg(
    url="package:zoo_xception/weights/test_xception.digits.safetensors",
    sha256="a3957fb1cbc29c3b79ee47aedaff08bb5d1a224aa3daabe44026b5430d49a847",
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
    metrics={"accuracy": 0.9917},
)
"""Trained by ``examples/train_digits.py``, and shipped in this package."""

PRETRAINED: dict[str, PretrainedCfg] = {
    "test_xception.digits": DIGITS,
    **{name: replace(recipe, hf_hub_id=f"timm/{name}") for name, recipe in WEIGHTS.items()},
}
