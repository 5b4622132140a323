"""The configuration of the original Xception."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class XceptionConfig:
    """Xception as first published (https://arxiv.org/abs/1610.02357), without options."""
