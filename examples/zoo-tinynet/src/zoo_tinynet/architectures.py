"""The architectures: name to configuration."""

from __future__ import annotations

from zoo_tinynet.config import TinyNetConfig

ARCHITECTURES: dict[str, TinyNetConfig] = {
    "tinynet_8": TinyNetConfig(),
    "tinynet_16": TinyNetConfig(width=16, depths=(2, 3, 3)),
}
