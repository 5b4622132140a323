"""The ``config.json`` of a repository, on the Hub or in a folder: found, read and checked.

It is timm's: ``architecture``, ``num_classes``, ``pretrained_cfg``, ``label_names`` and
``model_args``. Zoo adds the qualified name of the architecture, under ``zoo``.
"""

from __future__ import annotations

import dataclasses
import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.config import PretrainedCfg
from zoo_core.errors import ConfigError, ModelNameError, WeightsError
from zoo_core.names import ModelName, parse_model_name
from zoo_core.weights.cache.address import key_of, parse_url
from zoo_core.weights.cache.entry import Entry, cache_folder, store
from zoo_core.weights.cache.paths import is_file, user_path
from zoo_core.weights.cache.verify import is_commit
from zoo_core.weights.files.detect import WEIGHT_SUFFIXES
from zoo_core.weights.hub import locations
from zoo_core.weights.hub.locations import CONFIG_FILE, WEIGHT_FILES, split_reference
from zoo_core.weights.hub.model_args import MOST_CLASSES
from zoo_core.weights.lock import pinned
from zoo_core.weights.transfer.request import UnavailableError, offline_variable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

SOURCE_FIELDS = frozenset({"url", "file", "hf_hub_id", "hf_hub_filename", "sha256"})
"""Fields that say where weights are. The repository itself replaces them."""
_FIELDS = frozenset(field.name for field in dataclasses.fields(PretrainedCfg)) - SOURCE_FIELDS - {"architecture", "tag"}
_LARGEST_CONFIG = 10_000_000  # bytes; names and descriptions of 22,000 classes take two


@dataclasses.dataclass(frozen=True, kw_only=True)
class HubModel:
    """The facts about a model in its repository."""

    architecture: str
    qualified: str | None = None
    """``distribution/architecture``, where Zoo wrote the repository."""
    pretrained_cfg: PretrainedCfg
    """The config whose source is the repository: the folder's file, or the Hub's at that commit."""
    model_args: Mapping[str, Any]
    """Unchecked options that the weights were made with; see `zoo_core.weights.hub.model_args`."""


def read_hub_config(ref: str | ModelName, *, cache_dir: str | PathLike[str] | None = None) -> HubModel:
    """Read a model name's repository: ``hf-hub:org/repo[@revision]`` or ``local-dir:path``.

    On the Hub the branch is looked up anew, so that a new commit is noticed; the weights are then
    those of that commit.

    Raises:
        ConfigError: for a config that cannot be used, such as one of no image model.
        WeightsError: for a repository that cannot be had.
        ModelNameError: for a malformed reference.
    """
    name = parse_model_name(ref)
    ref = str(name)
    if name.path is None:
        raise WeightsError(f"{ref!r} is no repository: expected 'hf-hub:org/repo[@revision]' or 'local-dir:path'")
    if name.scheme == "local-dir":
        folder = user_path(name.path).absolute()
        config = _read(folder / CONFIG_FILE, ref)
        weights = _weights_in(folder, ref)
        return _parse(config, ref, {"file": str(weights) if weights else None})
    path, commit = fetch_config(ref, pinned(name.path), cache_dir=cache_dir)
    repo, _ = split_reference(name.path)
    return _parse(_read(path, ref), ref, {"hf_hub_id": f"{repo}@{commit}"})


def fetch_config(ref: str, location: str, *, cache_dir: str | PathLike[str] | None = None) -> tuple[Path, str]:
    """Return the file on disk and its commit, from the Hub's answer or else from the last one.

    Raises:
        WeightsError: when there is neither.
    """
    repo, revision = split_reference(location)
    hub_cache = locations.hub_cache_folder(Path(cache_dir) if cache_dir else None)
    folder = cache_folder(cache_dir)
    failure = None
    variable = offline_variable()
    if not variable:
        try:
            if find_spec("huggingface_hub"):
                from zoo_core.weights.hub.client import download_file

                path = download_file(repo, revision, CONFIG_FILE, cache=hub_cache, name=ref)
                return path, path.parent.name
            return _download(ref, repo, revision, folder)
        except UnavailableError as error:
            failure = error
    snapshot = locations.snapshot_path(hub_cache, repo, revision, CONFIG_FILE)
    if snapshot.is_file():
        return snapshot, snapshot.parent.name
    url = parse_url(locations.file_url(repo, revision, CONFIG_FILE)).url
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
    from zoo_core.weights.transfer.http import get_small

    url = parse_url(locations.file_url(repo, revision, CONFIG_FILE)).url
    content, headers = get_small(url, ref, locations.authorization())
    commit = headers.get("X-Repo-Commit", "")
    commit = commit if is_commit(commit) else revision
    return store(content, folder, key_of(url), url=url, commit=commit).path, commit


def _weights_in(folder: Path, ref: str) -> Path | None:
    """Return the folder's file of weights: one of the usual names, else the only one, else None."""
    usual = [path for name in WEIGHT_FILES if is_file(path := folder / name)]
    found = usual[:1] or sorted(path for path in folder.iterdir() if path.suffix in WEIGHT_SUFFIXES and is_file(path))
    if len(found) > 1:
        names = ", ".join(path.name for path in found[:5])
        raise WeightsError(f"{ref} holds several files of weights: {names}; call the one to load {WEIGHT_FILES[0]}")
    return found[0] if found else None


def _read(path: Path, ref: str) -> dict[str, Any]:
    if not is_file(path):  # a pipe would be waited for
        raise WeightsError(f"{ref}: there is no {path}")
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_CONFIG + 1)
        if len(content) > _LARGEST_CONFIG:
            raise ValueError(f"it is larger than {_LARGEST_CONFIG:,} bytes")
        config = json.loads(content)
    except RecursionError as error:
        raise ConfigError(f"{ref}: {path} cannot be read: it is nested too deep") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{ref}: {path} cannot be read: {error}") from error
    if not isinstance(config, dict) or not isinstance(config.get("architecture"), str):
        raise ConfigError(f"{ref}: {path} names no architecture; it is no repository of an image model")
    for key in ("pretrained_cfg", "model_args"):
        if not isinstance(config.get(key) or {}, dict):
            raise ConfigError(f"{ref}: {path} cannot be used: its {key} is no object")
    return config


def _parse(config: Mapping[str, Any], ref: str, source: Mapping[str, Any]) -> HubModel:
    # Before 2023 timm wrote the default config's fields beside the architecture.
    values = dict(config.get("pretrained_cfg") or config)
    for key in ("num_classes", "label_names", "label_descriptions"):
        if config.get(key) is not None:
            values[key] = config[key]
    # Other programs' fields are theirs: only what is known is read, unlike in our own tables.
    known = {key: value for key, value in values.items() if key in _FIELDS and value is not None}
    known["custom_load"] = bool(known.get("custom_load"))
    try:
        cfg = PretrainedCfg.from_dict({**known, **source, "architecture": config["architecture"]})
    except ConfigError as error:
        raise ConfigError(f"{ref}: its {CONFIG_FILE} cannot be used: {error}") from error
    if cfg.num_classes > MOST_CLASSES:
        raise ConfigError(f"{ref}: its {CONFIG_FILE} cannot be used: no classifier has {cfg.num_classes:,} classes")
    return HubModel(
        architecture=config["architecture"],
        qualified=_qualified(config),
        pretrained_cfg=cfg,
        model_args=dict(config.get("model_args") or {}),
    )


def _qualified(config: Mapping[str, Any]) -> str | None:
    """The qualified name that Zoo wrote, if it is one of the config's architecture."""
    ours = config.get("zoo")
    name = ours.get("architecture") if isinstance(ours, dict) else None
    try:
        parsed = parse_model_name(name) if isinstance(name, str) else None
    except ModelNameError:
        return None
    named = parsed is not None and parsed.distribution and parsed.architecture == config["architecture"]
    return name if named else None
