"""The architectures: name to configuration."""

from __future__ import annotations

from zoo_tinyvit.config import TinyVitConfig

ARCHITECTURES: dict[str, TinyVitConfig] = {
    "tinyvit_48": TinyVitConfig(),
    "tinyvit_96": TinyVitConfig(img_size=64, patch_size=8, width=96, depth=12, heads=6),
}
