"""Weights in a Hugging Face Hub repository: in the Hub client's cache or Zoo's, else fetched.

By the client huggingface_hub where it is installed (the extra ``zoo-core[hub]``), so that its cache is shared with
every other program; by plain HTTPS into Zoo's cache where it is not.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from zoo_core.errors import WeightsError
from zoo_core.hooks import hookimpl
from zoo_core.weights.address import is_revision, key_of, parse_url, split_reference
from zoo_core.weights.paths import is_file, stays_inside
from zoo_core.weights.transfer.cache import Entry, verified
from zoo_core.weights.transfer.request import NotFoundError
from zoo_core.weights.transfer.verify import Expected, is_sha256, sha256_of

if TYPE_CHECKING:
    from zoo_core.weights.transfer.request import FetchRequest

SCHEME = "hf-hub"
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
"""The usual names in a repository, the preferred one first."""


@hookimpl(trylast=True)
def zoo_fetch_weights(request: FetchRequest) -> Path | None:
    """The repository's file of weights from a cache, else fetched."""
    if request.scheme != SCHEME:
        return None
    for filename in file_names(request):
        for path in _places_of(request, filename):
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
    """The files to look for in the repository, the preferred one first.

    Raises:
        WeightsError: for a name that leads out of the repository.
    """
    if not request.filename:
        return WEIGHT_FILES
    if len(request.filename) > 200 or not stays_inside(request.filename):
        raise WeightsError(f"{request.name}: {request.filename!r} is no file inside of a Hub repository")
    return (request.filename,)


def places(request: FetchRequest) -> list[Path]:
    """For every file name, its place in the Hub client's cache and in Zoo's; nowhere for a name that is refused."""
    if request.scheme != SCHEME:
        return []
    try:
        return [path for filename in file_names(request) for path in _places_of(request, filename)]
    except WeightsError:
        return []


def _places_of(request: FetchRequest, filename: str) -> list[Path]:
    theirs = snapshot_path(hub_cache_folder(request.hub_cache), *split_reference(request.location), filename)
    return [theirs, _entry(request, filename).path]


def expected_of(request: FetchRequest, path: Path | None = None) -> Expected | None:
    """The hash that the config names, else the content hash by which the Hub client's cache names the file's blob."""
    if request.sha256:
        return Expected(request.sha256, "config")
    blob = path.resolve().name if path else ""
    return Expected(blob, "hub") if is_sha256(blob) else None


def endpoint() -> str:
    """The Hub's address: ``HF_ENDPOINT``, for a mirror of the Hub, or the public one."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"


def file_url(repo: str, revision: str, filename: str) -> str:
    """Where the Hub serves a repository's file."""
    return f"{endpoint()}/{repo}/resolve/{quote(revision, safe='')}/{quote(filename)}"


def authorization() -> dict[str, str]:
    """The header with the user's token: ``HF_TOKEN``, or the file in which the Hub's tools keep it."""
    token = os.environ.get("HF_TOKEN", "")
    if not token:
        path = Path(os.environ.get("HF_TOKEN_PATH") or _hub_home() / "token").expanduser()
        token = path.read_text(encoding="utf-8") if path.is_file() else ""
    return {"Authorization": f"Bearer {token.strip()}"} if token.strip() else {}


def hub_cache_folder(cache_dir: Path | None = None) -> Path:
    """The folder that the Hub's client caches in, by its own variables."""
    named = cache_dir or os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    return Path(os.path.expandvars(named)).expanduser() if named else _hub_home() / "hub"


def snapshot_path(cache: Path, repo: str, revision: str, filename: str) -> Path:
    """Where the Hub client's cache has a file of a branch, tag or commit; reading it needs no client."""
    folder = cache / f"models--{repo.replace('/', '--')}"
    ref = folder / "refs" / revision
    commit = ref.read_bytes()[:200].decode("utf-8", "replace").strip() if is_file(ref) else revision
    return folder / "snapshots" / (commit if is_revision(commit) else revision) / filename


def _hub_home() -> Path:
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expandvars(os.environ.get("HF_HOME") or f"{caches}/huggingface")).expanduser()


def _entry(request: FetchRequest, filename: str) -> Entry:
    return Entry(request.cache_dir, key_of(file_url(*split_reference(request.location), filename)))


def _is_verified(request: FetchRequest, filename: str, path: Path) -> bool:
    url = parse_url(file_url(*split_reference(request.location), filename)).url
    return verified(_entry(request, filename), path, expected_of(request, path), url=url)


def _fetch_by_https(request: FetchRequest, filename: str) -> Path:
    from zoo_core.weights.transfer.download import download

    url = file_url(*split_reference(request.location), filename)
    entry, expected = _entry(request, filename), expected_of(request)
    return download(url, entry, expected, name=request.name, headers=authorization(), progress=request.progress)


def _fetch_by_client(request: FetchRequest, filename: str) -> Path:
    from zoo_core.weights.hub.client import download_file

    repo, revision = split_reference(request.location)
    for _ in range(2):
        path = download_file(
            repo,
            revision,
            filename,
            cache=hub_cache_folder(request.hub_cache),
            name=request.name,
            progress=request.progress,
        )
        if _is_verified(request, filename, path):
            return path
        expected, actual = expected_of(request, path), sha256_of(path)
        if expected is None or expected.named_by == "config":
            break
        # The client compares sizes alone, and would serve a damaged blob again for as long as it lies there.
        blob = path.resolve()
        blob.replace(blob.with_name(f"{blob.name}.rejected"))
    raise WeightsError(
        f"{request.name}: {path} has SHA-256 {actual}, expected {expected.sha256 if expected else ''}; it is not used"
    )
