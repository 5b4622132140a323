"""The configuration of a TinyVit."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class TinyVitConfig:
    """Patches and blocks; every field is an option of `create_model`."""

    img_size: int | tuple[int, int] = 32
    """A side, or height and width, of the images that the position embedding is made for."""
    patch_size: int = 4
    """A side of the square patches, in pixels."""
    width: int = 48
    """Channels of a token."""
    depth: int = 6
    """Count of blocks, each of which yields a feature map."""
    heads: int = 3
    """Attention heads; they share the width."""
    mlp_ratio: int = 2
    """Width inside a block's MLP over its own."""
    registers: int = 4
    """Tokens beside the class token that belong to no patch (https://arxiv.org/abs/2309.16588)."""
