"""The architectures: name to configuration. The number in a name counts its convolutions."""

from __future__ import annotations

from dataclasses import replace

from zoo_xception.config import XceptionConfig


def pre(cfg: XceptionConfig) -> XceptionConfig:
    """Norm and activation before each convolution (https://arxiv.org/abs/1603.05027)."""
    return replace(cfg, preact=True)


X41 = XceptionConfig()
X65 = XceptionConfig(middle=16)
# The entry flow has two blocks more, which change the channels before the resolution.
X71 = XceptionConfig(entry=((128, 2), (256, 1), (256, 2), (728, 1), (728, 2)), middle=16)

ARCHITECTURES: dict[str, XceptionConfig] = {
    "xception41": X41,
    "xception41p": replace(pre(X41), norm_eps=None),  # trained from scratch with PyTorch's epsilon, unlike its siblings
    "xception65": X65,
    "xception65p": pre(X65),
    "xception71": X71,
    "test_xception": XceptionConfig(
        stem=(8, 16), entry=((24, 2), (40, 2)), middle=1, exit=((40, 64, 64), (96, 96, 128))
    ),
}
