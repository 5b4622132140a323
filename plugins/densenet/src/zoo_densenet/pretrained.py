"""The published weights: ``architecture.tag`` to default config, the default tag first.

A line names its training recipe. The Hub id follows from the name, ``timm/<architecture>.<tag>``.
"""

from __future__ import annotations

from dataclasses import replace

from zoo_core.config import INCEPTION_MEAN, INCEPTION_STD, PretrainedCfg

TV = PretrainedCfg(license="apache-2.0")
"""torchvision's, converted from the authors' Torch files."""
RA = replace(TV, test_input_size=(3, 288, 288), test_crop_pct=0.95)
"""timm's own, with RandAugment (https://arxiv.org/abs/1909.13719)."""

WEIGHTS = {
    "densenet121.ra_in1k": RA,
    "densenet121.tv_in1k": TV,
    "densenet161.tv_in1k": TV,
    "densenet169.tv_in1k": TV,
    "densenet201.tv_in1k": TV,
    "densenetblur121d.ra_in1k": RA,
}

UNTRAINED = ("densenet121d", "densenet264", "densenet264d", "densenet264d_iabn")

DIGITS = PretrainedCfg(
    url="package:zoo_densenet/weights/test_densenet.digits.safetensors",
    sha256="56bb0e35f16304c3f37132151780c6d8352b45317e31276b0c009b9c9408b1e9",
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
"""Trained by ``examples/train_digits.py``, and shipped in this package."""

PRETRAINED: dict[str, PretrainedCfg] = {
    "test_densenet.digits": DIGITS,
    **{name: replace(recipe, hf_hub_id=f"timm/{name}") for name, recipe in WEIGHTS.items()},
    **dict.fromkeys(UNTRAINED, TV),
}
