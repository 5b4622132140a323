"""Locations of the Hub and its client: repositories, URLs, the token, the client's cache."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from zoo_core.errors import WeightsError
from zoo_core.weights.cache.paths import is_file, stays_inside, user_path

if TYPE_CHECKING:
    from pathlib import Path

CONFIG_FILE = "config.json"
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
"""The usual names of a repository's weights, the preferred one first."""
_REPOSITORY = re.compile(r"[A-Za-z0-9_][\w.-]{0,95}(/[A-Za-z0-9_][\w.-]{0,95})?", re.ASCII)
_REVISION = re.compile(r"[\w.+=,-]+(/[\w.+=,-]+)*", re.ASCII)


def split_reference(location: str) -> tuple[str, str]:
    """Split ``org/repo@revision`` into repository and revision, by default ``main``.

    Raises:
        WeightsError: for an impossible name of a repository, or of a branch, tag or commit.
    """
    repo, at, revision = location.partition("@")
    if not _REPOSITORY.fullmatch(repo) or ".." in repo:
        raise WeightsError(f"{location!r} is no Hub repository: expected 'org/repo' or 'org/repo@revision'")
    if at and not _is_revision(revision):
        raise WeightsError(f"{revision!r} is no branch, tag or commit of the Hub repository {repo}")
    return repo, revision or "main"


def _is_revision(text: str) -> bool:
    return len(text) <= 200 and bool(_REVISION.fullmatch(text)) and stays_inside(text)


def endpoint() -> str:
    """Return the Hub's address: ``HF_ENDPOINT``, for a mirror of the Hub, or the public one."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"


def file_url(repo: str, revision: str, filename: str) -> str:
    """Return the URL at which the Hub serves a repository's file."""
    return f"{endpoint()}/{repo}/resolve/{quote(revision, safe='')}/{quote(filename)}"


def authorization() -> dict[str, str]:
    """Return the header with the user's token: ``HF_TOKEN``, or the one in the Hub tools' file."""
    token = os.environ.get("HF_TOKEN", "")
    if not token:
        path = user_path(os.environ.get("HF_TOKEN_PATH") or _hub_home() / "token")
        try:
            token = path.read_text(encoding="utf-8") if is_file(path) else ""
        except (OSError, ValueError) as error:
            raise WeightsError(f"the Hub's token cannot be read from {path}: {error}") from error
    return {"Authorization": f"Bearer {token.strip()}"} if token.strip() else {}


def hub_cache_folder(cache_dir: Path | None = None) -> Path:
    """Return the cache folder of the Hub's client, by its own environment variables."""
    named = cache_dir or os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    return user_path(os.path.expandvars(named)) if named else _hub_home() / "hub"


def snapshot_path(cache: Path, repo: str, revision: str, filename: str) -> Path:
    """Return the path of a file in the client's cache. The client need not be installed."""
    folder = cache / f"models--{repo.replace('/', '--')}"
    ref = folder / "refs" / revision
    commit = ref.read_bytes()[:200].decode("utf-8", "replace").strip() if is_file(ref) else revision
    return folder / "snapshots" / (commit if _is_revision(commit) else revision) / filename


def _hub_home() -> Path:
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return user_path(os.path.expandvars(os.environ.get("HF_HOME") or f"{caches}/huggingface"))
