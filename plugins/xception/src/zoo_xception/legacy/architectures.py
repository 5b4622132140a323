"""The architecture, under a name distinct from the aligned ones, and under its first name."""

from __future__ import annotations

from zoo_xception.legacy.config import XceptionConfig

ARCHITECTURES: dict[str, XceptionConfig] = {"legacy_xception": XceptionConfig(), "xception": XceptionConfig()}
