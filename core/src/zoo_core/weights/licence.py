"""The notice for weights that are not for every use, shown once."""

from __future__ import annotations

import hashlib
import logging
import re
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.config import PretrainedCfg

_log = logging.getLogger("zoo_core")
_shown: set[str] = set()


def is_non_commercial(licence: str | None) -> bool:
    """Return whether a licence (by SPDX, such as ``cc-by-nc-4.0``) forbids commercial use."""
    return bool(licence and re.search(r"(^|[-_ ])(nc|non-?commercial)([-_ ]|$)", licence.lower()))


def notice_licence(cfg: PretrainedCfg, cache_dir: Path) -> None:
    """Warn once on this machine of weights whose licence forbids commercial use."""
    name = ".".join(part for part in (cfg.architecture, cfg.tag) if part)
    if not is_non_commercial(cfg.license) or name in _shown:
        return
    _shown.add(name)
    # A hash, since a licence's text is anybody's, and no name of a file.
    marker = cache_dir / "licences" / hashlib.sha256(f"{name}\n{cfg.license}".encode(errors="replace")).hexdigest()
    if marker.exists():
        return
    _log.warning(
        "%s: these weights are licensed %s, for non-commercial use only%s",
        name or "the model",
        cfg.license,
        f" ({cfg.origin_url})" if cfg.origin_url else "",
    )
    with suppress(OSError):  # where nothing can be written, the notice is shown once a process
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
