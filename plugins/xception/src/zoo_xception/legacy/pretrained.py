"""The published weights, converted from Keras, under both names of the architecture."""

from __future__ import annotations

from zoo_core.config import INCEPTION_MEAN, INCEPTION_STD, PretrainedCfg

TF = PretrainedCfg(
    url="https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-cadene/xception-43020ad28.pth",
    input_size=(3, 299, 299),
    crop_pct=0.8975,
    mean=INCEPTION_MEAN,
    std=INCEPTION_STD,
    license="apache-2.0",
)

PRETRAINED: dict[str, PretrainedCfg] = {"legacy_xception.tf_in1k": TF, "xception.tf_in1k": TF}
