"""The published weights: ``architecture.tag`` to default config, the default tag first.

A line names its recipe and its file. The Hub id follows from the name,
``timm/<architecture>.<tag>``; the first characters of the file's SHA-256 stand in its name, where
`zoo_core.weights` reads them.
"""

from __future__ import annotations

from dataclasses import replace

from zoo_core.config import INCEPTION_MEAN, INCEPTION_STD, PretrainedCfg

from zoo_cspnet.architectures import ARCHITECTURES

TIMM = PretrainedCfg(input_size=(3, 256, 256), crop_pct=0.887, license="apache-2.0")


def at(size: int, crop: float, *, of: PretrainedCfg = TIMM) -> PretrainedCfg:
    """Best tested on square images of `size` pixels, cropped by `crop`."""
    return replace(of, test_input_size=(3, size, size), test_crop_pct=crop)


# With RandAugment (https://arxiv.org/abs/1909.13719).
RA = replace(TIMM, interpolation="bilinear")
# Recipe C of timm, after ResNet strikes back (https://arxiv.org/abs/2110.00476); "ns" is without
# stochastic depth.
C2 = at(288, 0.95)
C2_FULL = at(288, 1.0)
WIDE_CROP = replace(TIMM, crop_pct=0.95)
# 3600 epochs in the manner of MobileNetV4 (https://arxiv.org/abs/2404.10518).
RA4 = at(320, 1.0, of=replace(TIMM, mean=INCEPTION_MEAN, std=INCEPTION_STD))

RELEASES = "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-"
W = RELEASES + "weights/"
T = RELEASES + "tpu-weights/"
NO_URL = None  # on the Hub alone

WEIGHTS: dict[str, tuple[PretrainedCfg, str | None]] = {
    "cspresnet50.ra_in1k": (RA, W + "cspresnet50_ra-d3e8d487.pth"),
    "cspresnext50.ra_in1k": (RA, W + "cspresnext50_ra_224-648b4713.pth"),
    "cspdarknet53.ra_in1k": (RA, W + "cspdarknet53_ra_256-d05c7c21.pth"),
    "darknet53.c2ns_in1k": (C2_FULL, T + "darknet53_256_c2ns-3aeff817.pth"),
    "darknetaa53.c2ns_in1k": (replace(C2_FULL, interpolation="bilinear"), T + "darknetaa53_c2ns-5c28ec8a.pth"),
    "cs3darknet_m.c2ns_in1k": (C2, T + "cs3darknet_m_c2ns-43f06604.pth"),
    "cs3darknet_l.c2ns_in1k": (C2, T + "cs3darknet_l_c2ns-16220c5d.pth"),
    "cs3darknet_x.c2ns_in1k": (at(288, 1.0, of=WIDE_CROP), T + "cs3darknet_x_c2ns-4e4490aa.pth"),
    "cs3darknet_focus_s.ra4_e3600_r256_in1k": (RA4, NO_URL),
    "cs3darknet_focus_m.c2ns_in1k": (C2, T + "cs3darknet_focus_m_c2ns-e23bed41.pth"),
    "cs3darknet_focus_l.c2ns_in1k": (C2, T + "cs3darknet_focus_l_c2ns-65ef8888.pth"),
    "cs3sedarknet_l.c2ns_in1k": (C2, T + "cs3sedarknet_l_c2ns-e8d1dc13.pth"),
    "cs3sedarknet_x.c2ns_in1k": (C2_FULL, T + "cs3sedarknet_x_c2ns-b4d0abc0.pth"),
    "cs3edgenet_x.c2_in1k": (C2_FULL, T + "cs3edgenet_x_c2-2e1610a9.pth"),
    "cs3se_edgenet_x.c2ns_in1k": (at(320, 1.0, of=WIDE_CROP), T + "cs3se_edgenet_x_c2ns-76f8e3ac.pth"),
}

DIGITS = PretrainedCfg(
    url="package:zoo_cspnet/weights/test_cspnet.digits.safetensors",
    sha256="ebc58ffda41923218bb85bb002b642d1d4cd8ffa69a5e966ee227d0a1b8eabe5",
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
    metrics={"accuracy": 1.0},
)
"""Trained by ``examples/train_digits.py``, and shipped in this package."""

TRAINED = {name.partition(".")[0] for name in WEIGHTS}


def untrained(architecture: str) -> PretrainedCfg:
    """Return the default config of an architecture without weights."""
    return TIMM if architecture.startswith("cs3") else RA


PRETRAINED: dict[str, PretrainedCfg] = {
    "test_cspnet.digits": DIGITS,
    **{name: replace(recipe, url=url, hf_hub_id=f"timm/{name}") for name, (recipe, url) in WEIGHTS.items()},
    **{name: untrained(name) for name in ARCHITECTURES if name not in {*TRAINED, "test_cspnet"}},
}
