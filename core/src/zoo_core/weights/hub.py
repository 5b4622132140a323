"""Repositories of models, on the Hub or in a folder: ``config.json`` and the weights beside it.

``config.json`` is timm's: ``architecture``, ``num_classes``, ``pretrained_cfg`` and ``model_args``; a repository that
timm made is read, and timm reads one that is made here.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.config import PretrainedCfg
from zoo_core.errors import ConfigError, WeightsError
from zoo_core.names import parse_model_name
from zoo_core.weights.address import split_reference
from zoo_core.weights.hub_options import MOST_CLASSES
from zoo_core.weights.paths import is_file, user_path
from zoo_core.weights.sources.hub import WEIGHT_FILES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from torch import nn

CONFIG_FILE = "config.json"
_FIELDS = frozenset(field.name for field in dataclasses.fields(PretrainedCfg))
# Where the weights are is the repository itself, whatever the config was copied from.
_SOURCES = frozenset({"url", "file", "hf_hub_id", "hf_hub_filename", "sha256", "architecture", "tag"})
_LARGEST_CONFIG = 10_000_000  # bytes; names and descriptions of 22,000 classes take two


@dataclasses.dataclass(frozen=True, kw_only=True)
class HubModel:
    """What a repository says of its model."""

    architecture: str
    pretrained_cfg: PretrainedCfg
    """With the repository as source: the folder's file, or the Hub's at the commit of the config."""
    model_args: Mapping[str, Any]
    """Options of the architecture that the weights were made with, as the repository has them: not yet checked, see
    `zoo_core.weights.hub_options`."""


def read_hub_config(ref: str, *, cache_dir: str | PathLike[str] | None = None) -> HubModel:
    """Read a model name's repository: ``hf-hub:org/repo[@revision]`` or ``local-dir:path``.

    On the Hub the branch is looked up anew, so that a new commit is noticed; the weights are then those of that commit.

    Raises:
        WeightsError: for a repository that cannot be had, or is none of an image model.
        ModelNameError: for a malformed reference.
    """
    name = parse_model_name(ref)
    if name.path is None:
        raise WeightsError(f"{ref!r} is no repository: expected 'hf-hub:org/repo[@revision]' or 'local-dir:path'")
    if name.scheme == "local-dir":
        folder = user_path(name.path).absolute()
        weights = next((path for file in WEIGHT_FILES if is_file(path := folder / file)), None)
        return _parse(_read(folder / CONFIG_FILE, ref), ref, {"file": str(weights) if weights else None})
    from zoo_core.weights.hub_config import fetch_config

    path, commit = fetch_config(ref, name.path, cache_dir=cache_dir)
    repo, _ = split_reference(name.path)
    return _parse(_read(path, ref), ref, {"hf_hub_id": f"{repo}@{commit}"})


def save_for_hub(model: nn.Module, path: str | PathLike[str], *, model_args: Mapping[str, Any] | None = None) -> None:
    """Write a folder that ``local-dir:path``, a Hub repository and timm read: the weights and their config.

    Args:
        model: made by `create_model`; its weights are those of now, its config the one that it was made with, with the
            classes and channels that it has.
        path: the folder, made if it does not exist.
        model_args: options that the model was made with, beside classes and channels, as JSON.

    Raises:
        WeightsError: for a model without a config, or a folder that cannot be written.
    """
    from safetensors.torch import save_file

    config = {**_describe(model), "model_args": dict(model_args or {})}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, folder / WEIGHT_FILES[0], metadata={"format": "pt"})
        (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise WeightsError(f"{folder} cannot be written: {error.strerror or error}") from error


def push_to_hub(
    model: nn.Module,
    repo_id: str,
    *,
    model_args: Mapping[str, Any] | None = None,
    token: str | None = None,
    private: bool | None = None,
    commit_message: str = "Add model",
) -> str:
    """Send a model to a Hub repository, which is made if need be; returns the commit's address.

    Args:
        model: see `save_for_hub`.
        repo_id: ``org/repo``.
        model_args: see `save_for_hub`.
        token: of the account; None for ``HF_TOKEN`` or the one that the Hub's tools keep.
        private: whether a new repository is; None for the organisation's default.
        commit_message: of the commit.

    Raises:
        WeightsError: without huggingface_hub, or when the Hub refuses.
    """
    from zoo_core.weights.hub_client import upload_folder

    with tempfile.TemporaryDirectory() as folder:
        save_for_hub(model, folder, model_args=model_args)
        return upload_folder(repo_id, Path(folder), token=token, private=private, message=commit_message)


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
        raise WeightsError(f"{ref}: {path} cannot be read: it is nested too deep") from error
    except (OSError, ValueError) as error:
        raise WeightsError(f"{ref}: {path} cannot be read: {error}") from error
    if not isinstance(config, dict) or not isinstance(config.get("architecture"), str):
        raise WeightsError(f"{ref}: {path} names no architecture; it is no repository of an image model")
    for key in ("pretrained_cfg", "model_args"):
        if not isinstance(config.get(key) or {}, dict):
            raise WeightsError(f"{ref}: {path} cannot be used: its {key} is no object")
    return config


def _parse(config: Mapping[str, Any], ref: str, source: Mapping[str, Any]) -> HubModel:
    # Before 2023 timm wrote the default config's fields beside the architecture.
    values = dict(config.get("pretrained_cfg") or config)
    for key in ("num_classes", "label_names", "label_descriptions"):
        if config.get(key) is not None:
            values[key] = config[key]
    # Other programs' fields are theirs: only what is known is read, unlike in our own tables.
    known = {key: value for key, value in values.items() if key in _FIELDS - _SOURCES and value is not None}
    known["custom_load"] = bool(known.get("custom_load"))
    try:
        cfg = PretrainedCfg.from_dict({**known, **source, "architecture": config["architecture"]})
    except (ConfigError, TypeError) as error:
        raise WeightsError(f"{ref}: its {CONFIG_FILE} cannot be used: {error}") from error
    if not 0 <= cfg.num_classes <= MOST_CLASSES:
        raise WeightsError(f"{ref}: its {CONFIG_FILE} cannot be used: no classifier has {cfg.num_classes:,} classes")
    return HubModel(
        architecture=config["architecture"], pretrained_cfg=cfg, model_args=dict(config.get("model_args") or {})
    )


def _describe(model: nn.Module) -> dict[str, Any]:
    """The ``config.json`` of a model, without `model_args`."""
    given = getattr(model, "pretrained_cfg", None)
    cfg = given if isinstance(given, PretrainedCfg) else PretrainedCfg.from_dict(given or {})
    if not cfg.architecture:
        raise WeightsError(f"a {type(model).__name__} without an architecture in its pretrained_cfg cannot be saved")
    num_classes = int(getattr(model, "num_classes", cfg.num_classes))
    changed: dict[str, Any] = {"num_classes": num_classes, "label_offset": 0}
    if num_classes != cfg.num_classes - cfg.label_offset:
        changed |= {"label_names": None, "label_descriptions": None}
    if (channels := _in_channels(model, cfg)) != cfg.input_size[0]:
        # The mean over the colours is what images of other channels are normalised with.
        sizes = ("input_size", "test_input_size", "min_input_size")
        changed |= {name: (channels, *size[1:]) for name in sizes if (size := getattr(cfg, name))}
        changed |= {key: (sum(value) / len(value),) * channels for key, value in (("mean", cfg.mean), ("std", cfg.std))}
    cfg = cfg.overlaid(changed)
    shared = {key: value for key, value in cfg.to_json().items() if key not in _SOURCES | {"metrics"}}
    defaults = {key: getattr(cfg, key) for key in ("input_size", "interpolation", "crop_pct", "mean", "std")}
    return {
        "architecture": cfg.architecture,
        "num_classes": num_classes,
        "num_features": int(getattr(model, "num_features", 0)),
        "pretrained_cfg": {"num_classes": num_classes, **defaults, **shared},
        **({"metrics": dict(cfg.metrics)} if cfg.metrics else {}),
    }


def _in_channels(model: nn.Module, cfg: PretrainedCfg) -> int:
    names = (cfg.first_conv,) if isinstance(cfg.first_conv, str) else cfg.first_conv or ()
    convs: list[Any] = [model.get_submodule(name) for name in names]
    return int(convs[0].in_channels) if convs else cfg.input_size[0]
