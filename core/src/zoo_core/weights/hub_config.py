"""The ``config.json`` of a Hub repository, and the commit it is of."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.errors import WeightsError
from zoo_core.weights.address import is_commit, key_of, parse_url, split_reference
from zoo_core.weights.cache import Entry, cache_folder, store
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

    repo, revision = split_reference(location)
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
    url = parse_url(hub.file_url(repo, revision, "config.json")).url
    entry = Entry(folder, key_of(url))
    receipt = entry.read_receipt()
    if entry.path.is_file() and not (receipt and receipt.url != url):
        return entry.path, receipt.commit if receipt and receipt.commit and is_commit(receipt.commit) else revision
    if failure:
        raise failure
    raise WeightsError(
        f"{ref}: its config.json is not on this machine, and {variable} forbids to fetch it. "
        f"Looked for:\n  {snapshot}\n  {entry.path}"
    )


def _download(ref: str, repo: str, revision: str, folder: Path) -> tuple[Path, str]:
    from zoo_core.weights.connect import get_small

    url = parse_url(hub.file_url(repo, revision, "config.json")).url
    content, headers = get_small(url, ref, hub.authorization())
    commit = headers.get("X-Repo-Commit", "")
    commit = commit if is_commit(commit) else revision
    return store(content, folder, key_of(url), url=url, commit=commit).path, commit
