"""A default config to a verified local file."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import threading
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from zoo_core.errors import WeightsError
from zoo_core.hooks.manager import hook_manager
from zoo_core.weights.licence import notice_licence
from zoo_core.weights.paths import is_file
from zoo_core.weights.sources import MODULES, local
from zoo_core.weights.transfer.cache import Entry, cache_folder, verified
from zoo_core.weights.transfer.request import FetchRequest, UnavailableError
from zoo_core.weights.transfer.verify import Expected

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo_core.config import PretrainedCfg

OFFLINE_VARIABLES = ("ZOO_OFFLINE", "HF_HUB_OFFLINE")
_registering = threading.Lock()
_TRUE = ("1", "true", "yes", "on")


def fetch_weights(
    cfg: PretrainedCfg, *, cache_dir: str | os.PathLike[str] | None = None, progress: bool = True
) -> Path:
    """A local file with the config's weights, verified: found on disk, or downloaded into the cache.

    Args:
        cfg: where the weights are, and their hash.
        cache_dir: instead of Zoo's and the Hub client's cache folders.
        progress: show a bar while downloading, on a terminal.

    Raises:
        WeightsError: for a config without weights, weights that cannot be had, or a file that is not what it should be.
    """
    requests = requests_for(cfg, cache_dir=cache_dir, progress=progress)
    if not requests:
        raise WeightsError(f"{model_name(cfg)} has no pretrained weights; create it with pretrained=False")
    fetch = _fetch_hook()
    for request in requests:
        if path := fetch(request=dataclasses.replace(request, local_only=True)):
            return _noted(cfg, request, path)
    if variable := offline_variable():
        raise WeightsError(_missing_offline(requests, variable))
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


def _noted(cfg: PretrainedCfg, request: FetchRequest, path: Path) -> Path:
    """The path, once a licence was told of, and a file from another package's source was looked at and written down."""
    if path not in _built_in_places(request):
        if not is_file(path):
            raise WeightsError(f"{request.name}: its source of weights names {path}, where there is no file")
        expected = Expected(request.sha256, "config") if request.sha256 else None
        if not verified(_elsewhere(request), path, expected, url=request.source):
            raise WeightsError(f"{request.name}: {path} has not the SHA-256 of its config, {request.sha256}")
    notice_licence(cfg, request.cache_dir)
    return path


def _elsewhere(request: FetchRequest) -> Entry:
    """Where it is written down which file another package's source has for a request."""
    digest = hashlib.sha256(f"{request.source}\n{request.filename}".encode(errors="replace")).hexdigest()
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", request.source.rpartition("/")[2])[-80:].lstrip(".") or "file"
    return Entry(request.cache_dir, f"sources/{digest[:32]}/{name}")


def requests_for(
    cfg: PretrainedCfg, *, cache_dir: str | os.PathLike[str] | None = None, progress: bool = True
) -> list[FetchRequest]:
    """The places where a config's weights may be, in the order in which they are tried.

    The `file`, or a `url` on this machine or with a `sha256`, is the only one. Otherwise first the Hub, whose files are
    safetensors with a content hash, and shared with timm; then the `url`. Without another source, `sha256` is that of
    the Hub's file.
    """
    common: dict[str, Any] = {
        "cache_dir": cache_folder(cache_dir),
        "hub_cache": Path(cache_dir) if cache_dir else None,
        "name": model_name(cfg),
        "progress": progress,
    }
    requests = []
    if source := cfg.file or cfg.url:
        requests.append(FetchRequest(source=source, sha256=cfg.sha256, **common))
        if cfg.file or cfg.sha256 or requests[0].scheme in local.SCHEMES:
            return requests
    if cfg.hf_hub_id:
        sha256 = None if source else cfg.sha256
        hub = FetchRequest(source=f"hf-hub:{cfg.hf_hub_id}", filename=cfg.hf_hub_filename, sha256=sha256, **common)
        requests.insert(0, hub)
    return requests


def is_cached(cfg: PretrainedCfg, *, cache_dir: str | os.PathLike[str] | None = None) -> bool:
    """Whether a file of the config's weights is on this machine. Looks, and neither hashes nor opens a socket."""
    return cached_path(cfg, cache_dir=cache_dir) is not None


def cached_path(cfg: PretrainedCfg, *, cache_dir: str | os.PathLike[str] | None = None) -> Path | None:
    """Where a file of the config's weights lies on this machine, unverified; None where there is none."""
    requests = requests_for(cfg, cache_dir=cache_dir)
    return next((place for request in requests for place in places(request) if is_file(place)), None)


def places(request: FetchRequest) -> list[Path]:
    """Where the built-in sources look for a request's file on disk, and where another source once had it."""
    receipt = _elsewhere(request).read_receipt()
    return [*_built_in_places(request), *([Path(receipt.path)] if receipt and receipt.path else [])]


def _built_in_places(request: FetchRequest) -> list[Path]:
    found: list[Path] = []
    for module in MODULES:
        look = getattr(import_module(module), "places", None)
        found += look(request) if look else []
    return found


def model_name(cfg: PretrainedCfg) -> str:
    """``architecture.tag``, or what is known of it."""
    return ".".join(part for part in (cfg.architecture, cfg.tag) if part) or "the model"


def offline_variable() -> str | None:
    """The environment variable that forbids to open a socket, if one is set."""
    return next((name for name in OFFLINE_VARIABLES if os.environ.get(name, "").lower() in _TRUE), None)


def _fetch_hook() -> Callable[..., Path | None]:
    manager = hook_manager()
    with _registering:
        for module in MODULES:
            if not manager.has_plugin(module):
                manager.register(import_module(module), name=module)
    return cast("Callable[..., Path | None]", manager.hook.zoo_fetch_weights)


def _missing_offline(requests: list[FetchRequest], variable: str) -> str:
    looked = "".join(f"\n  {place}" for request in requests for place in places(request))
    return (
        f"{requests[0].name}: its weights are not on this machine, and {variable} forbids to fetch them. "
        f"Unset it, or fetch them where there is a network: zoo download {requests[0].name}. Looked for:{looked}"
    )
