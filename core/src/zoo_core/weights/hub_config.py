"""The ``config.json`` of a Hub repository, and the commit it is of."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.errors import WeightsError
from zoo_core.weights.cache import Entry, cache_folder, key_of, store
from zoo_core.weights.request import UnavailableError
from zoo_core.weights.sources import hub

if TYPE_CHECKING:
    from os import PathLike


def fetch_config(ref: str, location: str, *, cache_dir: str | PathLike[str] | None = None) -> tuple[Path, str]:
    """The file on disk and its commit: of the Hub's answer of now, or, where there is none, of the last one.

    Raises:
        WeightsError: when there is neither.
    """
    from zoo_core.weights.fetch import offline_variable

    repo, revision = hub.split_reference(location)
    hub_cache = hub.hub_cache_folder(Path(cache_dir) if cache_dir else None)
    folder = cache_folder(cache_dir)
    failure = None
    variable = offline_variable()
    if not variable:
        try:
            if find_spec("huggingface_hub"):
                from zoo_core.weights.hub_client import download_file

                path = download_file(repo, revision, "config.json", cache=hub_cache, name=ref)
                return path, path.parent.name
            return _download(ref, repo, revision, folder)
        except UnavailableError as error:
            failure = error
    snapshot = hub.snapshot_path(hub_cache, repo, revision, "config.json")
    if snapshot.is_file():
        return snapshot, snapshot.parent.name
    entry = _entry(repo, revision, folder)
    if entry.path.is_file():
        receipt = entry.read_receipt()
        return entry.path, receipt.commit if receipt and receipt.commit else revision
    if failure:
        raise failure
    raise WeightsError(
        f"{ref}: its config.json is not on this machine, and {variable} forbids to fetch it. "
        f"Looked for:\n  {snapshot}\n  {entry.path}"
    )


def _download(ref: str, repo: str, revision: str, folder: Path) -> tuple[Path, str]:
    from zoo_core.weights.connect import get_small

    url = hub.file_url(repo, revision, "config.json")
    content, headers = get_small(url, ref, hub.authorization())
    commit = headers.get("X-Repo-Commit") or revision
    return store(content, folder, key_of(url), url=url, commit=commit).path, commit


def _entry(repo: str, revision: str, folder: Path) -> Entry:
    return Entry(folder, key_of(hub.file_url(repo, revision, "config.json")))
