"""Save a model as a repository: on the Hub, or in a folder.

A repository holds the weights as safetensors, a model card, and a ``config.json`` that Zoo, timm
and the image pipelines of transformers read. It says what is true of this model, and nothing of the
weights that it may have started from: those were somebody else's, under another licence perhaps,
and measured on other data.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from zoo_core.config import PretrainedCfg
from zoo_core.errors import OptionError, WeightsError
from zoo_core.network.infer import completed
from zoo_core.weights.cache.entry import write_atomically
from zoo_core.weights.files.safetensors import tensorfile_of
from zoo_core.weights.hub.card import model_card
from zoo_core.weights.hub.hub_config import SOURCE_FIELDS
from zoo_core.weights.hub.locations import CONFIG_FILE, WEIGHT_FILES
from zoo_core.weights.hub.model_args import checked_options
from zoo_core.weights.loading.adapt import names_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from torch import nn

CARD_FILE = "README.md"
_PROVENANCE = frozenset(
    {
        "tag",
        "size",
        "license",
        "description",
        "origin_url",
        "paper_name",
        "paper_ids",
        "notes",
        "metrics",
        "custom_load",
    }
)
"""Fields that are true of published weights, not of every model that was made from their config."""
_TEST_FIELDS = ("test_input_size", "test_crop_pct", "min_input_size")
_OF_NO_MAPS = {"num_classes", "in_chans", "global_pool", "drop_rate", "drop_path_rate"}
"""Options that leave the sizes of maps as the published config has them."""
_CLASSES = ("num_classes", "label_offset", "label_names", "label_descriptions")


class Details(TypedDict, total=False):
    """What a model does not know of itself."""

    model_args: Mapping[str, Any] | None
    """Options of the architecture beside those that it was made with, as JSON."""
    label_names: Sequence[str] | None
    """The classes' names, in the order of the logits."""
    label_descriptions: Mapping[str, str] | None
    """A class's name to a longer one."""
    input_size: tuple[int, int] | None
    """Height and width in pixels that the model was trained on; None for its default config's."""
    license: str | None
    """Of these weights, as SPDX: ``"mit"``."""
    metrics: Mapping[str, float] | None
    """Measured figures, such as ``{"accuracy": 0.98}``."""
    description: str | None
    """What the model is for, in a sentence or two."""


def save_for_hub(model: nn.Module, path: str | PathLike[str], **details: Unpack[Details]) -> None:
    """Write a folder that ``local-dir:path``, a Hub repository, timm and transformers read.

    Examples:
        >>> save_for_hub(net, "digits", label_names=[*"0123456789"], input_size=(32, 32))

    Args:
        model: made by `create_model`; its weights are those of now. The options that it was made
            with are written, so that the same network comes back.
        path: the folder, made if it does not exist. A model card that lies there already stays.
        details: see `Details`.

    Raises:
        OptionError: for a detail that does not fit the model, or an option that JSON cannot hold.
        WeightsError: for a model without a config, or a folder that cannot be written.
    """
    config = describe(model, details)
    card = model_card(config, getattr(model, "made_with", {}), sum(p.numel() for p in model.parameters()))
    folder = Path(path)
    try:
        # Whole or not at all: the model may be mapped from the file that is replaced.
        write_atomically(folder / WEIGHT_FILES[0], tensorfile_of(model.state_dict()))
        write_atomically(folder / CONFIG_FILE, (json.dumps(config, indent=2, allow_nan=False) + "\n").encode())
        if not (folder / CARD_FILE).exists():
            write_atomically(folder / CARD_FILE, card.encode())
    except OSError as error:
        raise WeightsError(f"{folder} cannot be written: {error.strerror or error}") from error


def push_to_hub(
    model: nn.Module,
    repo_id: str,
    *,
    token: str | None = None,
    private: bool | None = None,
    commit_message: str = "Add model",
    **details: Unpack[Details],
) -> str:
    """Send a model to a Hub repository, which is made if need be; returns the commit's address.

    Args:
        model: see `save_for_hub`.
        repo_id: ``org/repo``.
        token: of the account; None for ``HF_TOKEN`` or the one that the Hub's tools keep.
        private: whether a new repository is; None for the organisation's default.
        commit_message: of the commit.
        details: see `Details`.

    Raises:
        WeightsError: without huggingface_hub, or when the Hub refuses; and as `save_for_hub`.
    """
    from zoo_core.weights.hub.client import upload_folder

    with tempfile.TemporaryDirectory() as folder:
        save_for_hub(model, folder, **details)
        return upload_folder(repo_id, Path(folder), token=token, private=private, message=commit_message)


def describe(model: nn.Module, details: Details) -> dict[str, Any]:
    """The ``config.json`` of a model."""
    from zoo_core._version import __version__

    if unknown := sorted(details.keys() - Details.__annotations__.keys()):
        raise OptionError(f"save_for_hub has no option {unknown[0]!r}; it has {', '.join(Details.__annotations__)}")
    cfg = PretrainedCfg.from_dict(getattr(model, "pretrained_cfg", None) or {})
    if not cfg.architecture:
        raise WeightsError(f"a {type(model).__name__} without an architecture in its pretrained_cfg cannot be saved")
    made_with: Mapping[str, Any] = getattr(model, "made_with", {})
    # An option may have moved what the published weights name, or widened the last maps.
    modules = {name for name, _ in model.named_modules()}
    moved = [key for key in ("first_conv", "classifier") if not {*names_of(getattr(cfg, key))} <= modules]
    if not made_with or not made_with["options"].keys() <= _OF_NO_MAPS:
        moved.append("pool_size")
    cfg = completed(model, cfg.overlaid(dict.fromkeys(moved)))
    num_classes, channels = int(getattr(model, "num_classes", cfg.num_classes)), _in_channels(model, cfg, made_with)
    cfg = _as_it_is_now(model, cfg, num_classes, channels, details.get("input_size"))
    names, descriptions = _labels(cfg, num_classes, details)
    options = {**made_with.get("options", {}), **(details.get("model_args") or {})}
    written = {
        key: value for key, value in cfg.to_json().items() if key not in {*SOURCE_FIELDS, *_PROVENANCE, *_CLASSES}
    }
    always = {key: getattr(cfg, key) for key in ("input_size", "interpolation", "crop_pct", "mean", "std")}
    said = {key: details.get(key) for key in ("license", "description")}
    return {
        "architecture": cfg.architecture,
        "num_classes": num_classes,
        "num_features": int(getattr(model, "num_features", 0)),
        **({"label_names": list(names)} if names else {}),
        **({"label_descriptions": dict(descriptions)} if descriptions else {}),
        "pretrained_cfg": {
            "num_classes": num_classes,
            **always,
            **written,
            **{key: value for key, value in said.items() if value is not None},
        },
        "model_args": _model_args(options, channels),
        **({"metrics": dict(metrics)} if (metrics := details.get("metrics")) else {}),
        "zoo": {"architecture": made_with.get("architecture", cfg.architecture), "version": __version__},
    }


def _as_it_is_now(
    model: nn.Module, cfg: PretrainedCfg, num_classes: int, channels: int, size: tuple[int, int] | None
) -> PretrainedCfg:
    """The default config with the classes, channels and image size that the model has."""
    changed: dict[str, Any] = {"num_classes": num_classes, "label_offset": 0}
    if num_classes != cfg.num_classes - cfg.label_offset:
        changed |= {"label_names": None, "label_descriptions": None}
    if size is not None:
        changed |= {"input_size": (cfg.input_size[0], *size), **dict.fromkeys(("pool_size", *_TEST_FIELDS))}
    cfg = cfg.overlaid(changed)
    if channels != cfg.input_size[0]:
        # The mean over the colours is what images of other channels are normalised with.
        sizes = ("input_size", "test_input_size", "min_input_size")
        changed = {name: (channels, *size[1:]) for name in sizes if (size := getattr(cfg, name))}
        changed |= {key: (sum(value) / len(value),) * channels for key, value in (("mean", cfg.mean), ("std", cfg.std))}
        cfg = cfg.overlaid(changed)
    return completed(model, cfg)


def _labels(cfg: PretrainedCfg, num_classes: int, details: Details) -> tuple[Sequence[str], Mapping[str, str]]:
    names = details.get("label_names")
    if names is None:
        if details.get("label_descriptions"):
            raise OptionError("label_descriptions need label_names, which they describe")
        return cfg.label_names or (), cfg.label_descriptions or {}
    if len(names) != num_classes or isinstance(names, str) or len(set(names)) != num_classes:
        raise OptionError(f"label_names are {len(set(names))} different names, the model has {num_classes} classes")
    descriptions = details.get("label_descriptions") or {}
    if odd := sorted(descriptions.keys() - set(names)):
        raise OptionError(f"label_descriptions describe {odd[0]!r}, which is none of label_names")
    return names, descriptions


def _model_args(options: Mapping[str, Any], channels: int) -> dict[str, Any]:
    """The options as JSON, as they will be read again."""
    written = {name: value for name, value in options.items() if name not in ("num_classes", "in_chans")}
    for name, value in written.items():
        try:
            written[name] = json.loads(json.dumps(value, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise OptionError(
                f"the option {name!r} of this model is {value!r}, which a config.json cannot hold: make the model with "
                f"its name, or give save_for_hub model_args={{{name!r}: ...}}"
            ) from error
    # Whoever reads the channels off the input's size needs no option; timm does not.
    return checked_options({**written, **({"in_chans": channels} if channels != 3 else {})}, "save_for_hub", ())


def _in_channels(model: nn.Module, cfg: PretrainedCfg, made_with: Mapping[str, Any]) -> int:
    """The channels of the model's images.

    A stem that reshapes the images (space to depth) gives the first convolution several times as
    many. A fresh network with the same options tells how many times.
    """
    asked = made_with.get("options", {}).get("in_chans") or cfg.input_size[0]
    seen = _seen_first(model, cfg, asked)
    if not made_with or seen == asked or seen % asked:
        return seen
    from zoo_core.registry import find_model, load_constructor

    constructor = load_constructor(find_model(made_with["architecture"]))
    fresh = constructor(pretrained_cfg=cfg, device="meta", **made_with["options"])
    return seen * asked // _seen_first(fresh, cfg, asked)


def _seen_first(model: nn.Module, cfg: PretrainedCfg, otherwise: int) -> int:
    """The channels that the first convolution sees."""
    convs: list[Any] = [model.get_submodule(name) for name in names_of(cfg.first_conv)]
    # What sees the images first may be a linear layer, of patches.
    return next((int(conv.in_channels) for conv in convs if hasattr(conv, "in_channels")), otherwise)
