"""Weights in a Hugging Face Hub repository: in the Hub client's cache or Zoo's, else fetched.

The client huggingface_hub fetches them where it is installed (the extra ``zoo-core[hub]``), so that
every program shares its cache; plain HTTPS fetches them into Zoo's cache where it is not.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from zoo_core.errors import WeightsError
from zoo_core.hooks import hookimpl
from zoo_core.weights.cache.address import parse_url
from zoo_core.weights.cache.entry import Entry, unwritable, verified
from zoo_core.weights.cache.paths import is_file, stays_inside
from zoo_core.weights.cache.verify import Expected, is_sha256, sha256_of
from zoo_core.weights.hub import locations
from zoo_core.weights.transfer.request import NotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.weights.transfer.request import FetchRequest

SCHEMES = ("hf-hub",)


@hookimpl(trylast=True)
def zoo_fetch_weights(request: FetchRequest) -> Path | None:
    """Return the repository's file of weights from a cache, or fetch it."""
    if request.scheme not in SCHEMES:
        return None
    for filename in file_names(request):
        for path in _paths_for(request, filename):
            if is_file(path) and _is_verified(request, filename, path):
                return path
    if request.local_only:
        return None
    fetch = _fetch_by_client if find_spec("huggingface_hub") else _fetch_by_https
    for filename in file_names(request):
        try:
            return fetch(request, filename)
        except NotFoundError as error:
            missing = error
    raise missing


def file_names(request: FetchRequest) -> tuple[str, ...]:
    """Return the names to look for in the repository, the preferred one first.

    Raises:
        WeightsError: for a name that leads out of the repository.
    """
    if not request.filename:
        return locations.WEIGHT_FILES
    if len(request.filename) > 200 or not stays_inside(request.filename):
        raise WeightsError(f"{request.name}: {request.filename!r} is no file inside of a Hub repository")
    return (request.filename,)


def paths_of(request: FetchRequest) -> list[Path]:
    """Return the paths of each file name in the Hub client's cache and in Zoo's."""
    try:
        return [path for filename in file_names(request) for path in _paths_for(request, filename)]
    except WeightsError:
        return []


def url_of(request: FetchRequest, filename: str) -> str:
    """Return the URL of a file in the repository."""
    return parse_url(locations.file_url(*locations.split_reference(request.location), filename)).url


def expected_of(request: FetchRequest, path: Path | None = None) -> Expected | None:
    """Return the hash in the config, else the content hash in the name of the Hub client's blob."""
    if request.sha256:
        return Expected(request.sha256, "config")
    blob = path.resolve().name if path else ""
    return Expected(blob, "hub") if is_sha256(blob) else None


def _paths_for(request: FetchRequest, filename: str) -> list[Path]:
    repo, revision = locations.split_reference(request.location)
    theirs = locations.snapshot_path(locations.hub_cache_folder(request.hub_cache), repo, revision, filename)
    return [theirs, _entry(request, filename).path]


def _entry(request: FetchRequest, filename: str) -> Entry:
    return Entry(request.cache_dir, parse_url(url_of(request, filename)).key)


def _is_verified(request: FetchRequest, filename: str, path: Path) -> bool:
    return verified(_entry(request, filename), path, expected_of(request, path), url=url_of(request, filename))


def _fetch_by_https(request: FetchRequest, filename: str) -> Path:
    from zoo_core.weights.transfer.download import download

    return download(
        url_of(request, filename),
        _entry(request, filename),
        expected_of(request),
        name=request.name,
        headers=locations.authorization(),
        progress=request.progress,
    )


def _fetch_by_client(request: FetchRequest, filename: str) -> Path:
    repo, revision = locations.split_reference(request.location)
    cache = locations.hub_cache_folder(request.hub_cache)
    try:
        return _fetch_and_compare(request, repo, revision, filename, cache)
    except OSError as error:
        raise unwritable(cache, error, "HF_HUB_CACHE") from error


def _fetch_and_compare(request: FetchRequest, repo: str, revision: str, filename: str, cache: Path) -> Path:
    from zoo_core.weights.hub.client import download_file

    for _ in range(2):
        path = download_file(repo, revision, filename, cache=cache, name=request.name, progress=request.progress)
        if _is_verified(request, filename, path):
            return path
        expected, actual = expected_of(request, path), sha256_of(path)
        if expected is None or expected.named_by == "config":
            break
        # The client compares sizes alone, so it would serve a damaged blob again and again.
        blob = path.resolve()
        blob.replace(blob.with_name(f"{blob.name}.rejected"))
    raise WeightsError(
        f"{request.name}: {path} has SHA-256 {actual}, expected {expected.sha256 if expected else ''}; it is not used"
    )
