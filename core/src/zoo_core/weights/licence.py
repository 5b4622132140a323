"""What licences of weights allow: their groups, a project's policy, and a notice shown once."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from zoo_core.errors import ConfigError, WeightsError, did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.config import PretrainedCfg

POLICY = "ZOO_LICENSES"
"""The variable with the groups and licences that weights may have, separated by commas; empty:
all."""
GROUPS = ("permissive", "copyleft", "non-commercial", "unknown")
"""What a licence asks of its users, from nothing but a notice to what only reading it tells."""

_PERMISSIVE = {"apache", "mit", "bsd", "isc", "zlib", "boost", "unlicense", "cc", "cc by"}
_COPYLEFT = {"gpl", "lgpl", "agpl", "gnu", "mpl", "mozilla", "eupl", "epl", "cddl"}
_NON_COMMERCIAL = {"nc", "noncommercial", "amlr"}  # AMLR: Apple's, for research alone
_FILLING = {"license", "licence", "version", "v", "the", "software", "clause", "new", "revised", "simplified", "only"}
_shown: set[str] = set()


def group_of(licence: str | None) -> str:
    """Return the group of a licence by SPDX or a usual spelling: ``"Apache 2.0"`` is permissive.

    Of a choice (``MIT OR GPL-3.0``) the friendliest counts, of a sum (``MIT AND CC-BY-NC-4.0``) the
    strictest.
    """
    choices = re.split(r"\s+or\s+", (licence or "").lower())
    return min(
        (max(map(_group, re.split(r"\s+and\s+", choice)), key=GROUPS.index) for choice in choices), key=GROUPS.index
    )


def _group(licence: str) -> str:
    """Return the group of one licence in small letters, by its words without versions."""
    words = re.findall("[a-z]+", licence.replace("non-commercial", "nc").replace("non commercial", "nc"))
    words = [word for word in words if word not in _FILLING]
    if not _NON_COMMERCIAL.isdisjoint(words):
        return "non-commercial"
    if words[:1] and (words[0] in _COPYLEFT or "sa" in words):
        return "copyleft"
    return "permissive" if " ".join(words) in _PERMISSIVE else "unknown"


def check_policy(cfg: PretrainedCfg) -> None:
    """Refuse weights that the policy does not allow; a file that the user names is the user's own.

    Raises:
        ConfigError: for a policy that names no group and no licence.
        WeightsError: naming the licence, its group and the policy.
    """
    policy = os.environ.get(POLICY, "")
    allowed = allowed_licences(policy)
    if cfg.file or is_allowed(cfg.license, allowed):
        return
    group = group_of(cfg.license)
    what = f"licensed {cfg.license} ({group})" if cfg.license else "of unknown licence"
    raise WeightsError(
        f"{cfg.model_name}: its weights are {what}, which {POLICY}={policy!r} does not allow. See what it allows with "
        f"`zoo list --pretrained --license {','.join(sorted(allowed))}`, or add {cfg.license or group!r} to {POLICY}"
    )


def allowed_licences(policy: str) -> set[str]:
    """Return the groups and licences of a policy, in one spelling.

    Raises:
        ConfigError: for a word that is neither, and much like a group.
    """
    words = {_spelled(word) for word in policy.split(",") if word.strip()}
    for word in sorted(words - set(GROUPS)):
        if group_of(word) == "unknown" and (hint := did_you_mean(word, GROUPS)):
            raise ConfigError(f"there is no group of licences {word!r}{hint}")
    return words


def is_allowed(licence: str | None, allowed: set[str]) -> bool:
    """Return whether a licence or its group is among the allowed ones; none means all."""
    return not allowed or not allowed.isdisjoint((group_of(licence), _spelled(licence or "unknown")))


def _spelled(licence: str) -> str:
    return re.sub(r"[\s_]+", "-", licence.strip().lower())


def notice_licence(cfg: PretrainedCfg, cache_dir: Path) -> None:
    """Warn once on this machine of weights whose licence forbids commercial use."""
    import hashlib
    import logging

    from zoo_core.weights.cache.paths import is_file

    name = cfg.model_name
    if group_of(cfg.license) != "non-commercial" or name in _shown:
        return
    _shown.add(name)
    # A hash, since a licence's text is anybody's, and no name of a file.
    marker = cache_dir / "licences" / hashlib.sha256(f"{name}\n{cfg.license}".encode(errors="replace")).hexdigest()
    if is_file(marker):
        return
    logging.getLogger("zoo_core").warning(
        "%s: these weights are licensed %s, for non-commercial use only%s",
        name,
        cfg.license,
        f" ({cfg.origin_url})" if cfg.origin_url else "",
    )
    with suppress(OSError):  # where nothing can be written, the notice is shown once a process
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
