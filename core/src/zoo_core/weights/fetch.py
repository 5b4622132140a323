"""Find the file of a default config's weights: on disk, else fetched, and verified."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from zoo_core.errors import WeightsError
from zoo_core.hooks.manager import hook_manager
from zoo_core.locks import fork_safe_lock
from zoo_core.weights.cache.entry import Entry, cache_folder, verified
from zoo_core.weights.cache.paths import is_file
from zoo_core.weights.cache.verify import Expected
from zoo_core.weights.licence import check_policy, notice_licence
from zoo_core.weights.lock import VARIABLE, held
from zoo_core.weights.sources import hub, local, mirror, url
from zoo_core.weights.transfer.request import FetchRequest, UnavailableError, offline_variable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo_core.config import PretrainedCfg

_registering = fork_safe_lock()


def fetch_weights(
    cfg: PretrainedCfg, *, cache_dir: str | os.PathLike[str] | None = None, progress: bool = True
) -> Path:
    """Return a verified file with the config's weights, found on disk or downloaded into the cache.

    Args:
        cfg: the source of the weights, and their hash.
        cache_dir: instead of Zoo's and the Hub client's cache folders.
        progress: show a bar while downloading, on a terminal.

    Raises:
        WeightsError: for a config without weights, weights that no source has, or a wrong file, and
            for a licence that the project does not allow.
    """
    check_policy(cfg)
    requests = requests_for(cfg, cache_dir=cache_dir, progress=progress)
    if not requests:
        raise WeightsError(f"{cfg.model_name} has no pretrained weights; create it with pretrained=False")
    try:
        return _fetched(cfg, held(requests))
    except WeightsError as error:
        if (lock := os.environ.get(VARIABLE)) and lock not in str(error):
            raise WeightsError(f"{error} ({VARIABLE}={lock} holds it to that file)") from error
        raise


def _fetched(cfg: PretrainedCfg, requests: Sequence[FetchRequest]) -> Path:
    """Return the file of the first request that a source has, on disk or else at large."""
    fetch = _fetch_hook()
    for request in requests:
        if path := fetch(request=dataclasses.replace(request, local_only=True)):
            return _noted(cfg, request, path)
    if variable := offline_variable():
        looked = "".join(f"\n  {path}" for request in requests for path in paths_of(request))
        raise WeightsError(
            f"{cfg.model_name}: its weights are not on this machine, and {variable} forbids to fetch them. "
            f"Unset it, or fetch them where there is a network: zoo download {cfg.model_name}. Looked for:{looked}"
        )
    failures = []
    for request in requests:
        try:
            path = fetch(request=request)
        except UnavailableError as error:
            failures.append(str(error))
            continue
        if path is None:
            raise WeightsError(f"{request.name}: no source of weights knows {request.source!r}")
        return _noted(cfg, request, path)
    raise WeightsError("; ".join(failures))


def requests_for(
    cfg: PretrainedCfg, *, cache_dir: str | os.PathLike[str] | None = None, progress: bool = True
) -> list[FetchRequest]:
    """Return the sources to ask for a config's weights, in order.

    The `file`, or a `url` on this machine or with a `sha256`, is the only one. Otherwise the Hub
    comes first, whose files are safetensors with a content hash and are shared with timm; then the
    `url`. Without another source, `sha256` is that of the Hub's file.
    """
    common: dict[str, Any] = {
        "cache_dir": cache_folder(cache_dir),
        "hub_cache": Path(cache_dir) if cache_dir else None,
        "name": cfg.model_name,
        "progress": progress,
    }
    requests = []
    if source := cfg.file or cfg.url:
        requests.append(FetchRequest(source=source, sha256=cfg.sha256, **common))
        if cfg.file or cfg.sha256 or requests[0].scheme in local.SCHEMES:
            return requests
    if cfg.hf_hub_id:
        sha256 = None if source else cfg.sha256
        on_hub = FetchRequest(source=f"hf-hub:{cfg.hf_hub_id}", filename=cfg.hf_hub_filename, sha256=sha256, **common)
        requests.insert(0, on_hub)
    return requests


def cached_path(cfg: PretrainedCfg, *, cache_dir: str | os.PathLike[str] | None = None) -> Path | None:
    """Return a file of the config's weights on this machine, unverified; None if there is none."""
    requests = requests_for(cfg, cache_dir=cache_dir)
    return next((path for request in requests for path in paths_of(request) if is_file(path)), None)


def paths_of(request: FetchRequest) -> list[Path]:
    """Return a request's possible paths: the built-in sources', and another's last answer."""
    receipt = _elsewhere(request).read_receipt()
    return [*_built_in_paths(request), *([Path(receipt.path)] if receipt and receipt.path else [])]


def _built_in_paths(request: FetchRequest) -> list[Path]:
    return [
        path for source in (local, url, hub) if request.scheme in source.SCHEMES for path in source.paths_of(request)
    ]


def _fetch_hook() -> Callable[..., Path | None]:
    manager = hook_manager()
    with _registering:
        for source in (local, url, hub, mirror):
            if not manager.has_plugin(source.__name__):
                manager.register(source, name=source.__name__)
    return cast("Callable[..., Path | None]", manager.hook.zoo_fetch_weights)


def _noted(cfg: PretrainedCfg, request: FetchRequest, path: Path) -> Path:
    """Return the path after the licence's notice; verify and record another package's file."""
    if path not in _built_in_paths(request):
        if not is_file(path):
            raise WeightsError(f"{request.name}: its source of weights names {path}, where there is no file")
        if not os.access(path, os.R_OK):
            raise WeightsError(f"{request.name}: {path} cannot be read (Permission denied)")
        expected = Expected(request.sha256, "config") if request.sha256 else None
        if not verified(_elsewhere(request), path, expected, url=request.source):
            raise WeightsError(f"{request.name}: {path} has not the SHA-256 of its config, {request.sha256}")
    notice_licence(cfg, request.cache_dir)
    return path


def _elsewhere(request: FetchRequest) -> Entry:
    """Return the entry that records the file which another package's source has for a request."""
    digest = hashlib.sha256(f"{request.source}\n{request.filename}".encode(errors="replace")).hexdigest()
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", request.source.rpartition("/")[2])[-80:].lstrip(".") or "file"
    return Entry(request.cache_dir, f"sources/{digest[:32]}/{name}")
