"""The evaluation transform of a model as a callable for datasets, under the usual names.

Training wants augmentation, which torchvision has: its ``transforms.v2`` take ``mean``, ``std`` and
    ``input_size`` of
`resolve_data_config`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import reduce
from typing import TYPE_CHECKING, Any

import PIL.Image
from zoo_core.config import PretrainedCfg
from zoo_core.errors import OptionError, did_you_mean

from zoo_images.steps import Step, steps_of

if TYPE_CHECKING:
    from torch import nn

_KEYS = ("input_size", "interpolation", "mean", "std", "crop_pct", "crop_mode")


@dataclasses.dataclass(frozen=True)
class Transform:
    """Images to a network's input, as a default config says: resize, crop, normalise.

    It pickles, so that a DataLoader's workers can have it.
    """

    cfg: PretrainedCfg
    transforms: list[Step] = dataclasses.field(init=False, repr=False, hash=False)
    """The steps, as in torchvision's ``Compose``; changing the list changes what is done."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "transforms", steps_of(self.cfg))

    def __call__(self, *inputs: Any) -> Any:
        """Transform an image (PIL) to float32 (channels, height, width).

        As torchvision's v2 transforms it takes anything that holds images, a pair of image and
        label or a batch of Hugging Face's ``datasets``, and leaves what is no image as it is.

        Raises:
            OptionError: where nothing in `inputs` is an image.
        """
        results, count = self._walk(inputs)
        if not count:
            kinds = ", ".join(type(value).__name__ for value in inputs)
            raise OptionError(f"expected an image of PIL, or something that holds one, not {kinds}")
        return results[0] if len(inputs) == 1 else results

    def _walk(self, value: Any) -> tuple[Any, int]:
        """The value with its images transformed, and how many they were."""
        if isinstance(value, PIL.Image.Image):
            return reduce(lambda image, step: step(image), self.transforms, value), 1
        if isinstance(value, Mapping):
            walked = {key: self._walk(each) for key, each in value.items()}
            return {key: each for key, (each, _) in walked.items()}, sum(count for _, count in walked.values())
        if type(value) in (list, tuple):
            pairs = [self._walk(each) for each in value]
            return type(value)(each for each, _ in pairs), sum(count for _, count in pairs)
        return value, 0


def create_transform(config: nn.Module | Mapping[str, Any] | None = None, **fields: Any) -> Transform:
    """Make the evaluation transform of a model.

    Args:
        config: a model, its default config, or what `resolve_data_config` returns; None for
            ImageNet's mean and std, 224 x 224 pixels, bilinear.
        fields: replace those of the config: ``input_size`` (a side, (height, width) or (channels,
            height, width)),
            ``interpolation``, ``mean``, ``std``, ``crop_pct``, ``crop_mode``.

    Raises:
        OptionError: for a field that there is not.
        ConfigError: for a value that its field cannot have.
    """
    if config is None:
        base = PretrainedCfg(interpolation="bilinear")
    elif isinstance(config, Mapping):
        base = config if isinstance(config, PretrainedCfg) else _overlaid(PretrainedCfg(), config)
    else:
        base = _config_of(config)
    return Transform(_overlaid(base, fields))


def resolve_data_config(
    args: Mapping[str, Any] | None = None,
    pretrained_cfg: Mapping[str, Any] | None = None,
    model: nn.Module | None = None,
    use_test_size: bool = False,
) -> dict[str, Any]:
    """Return the arguments of `create_transform` for a model or a config.

    Args:
        args: fields that replace the config's; ``img_size`` (a side) and ``in_chans`` are
            understood too, and what is None is left out, as in the options of a script.
        pretrained_cfg: a default config.
        model: a model, whose config is used where `pretrained_cfg` is not given.
        use_test_size: take the config's test size and crop, where it has them.

    Returns:
        ``input_size`` (channels, height, width), ``interpolation``, ``mean``, ``std``,
        ``crop_pct``, ``crop_mode``.
    """
    if args is None and pretrained_cfg is None and model is None:
        raise OptionError("resolve_data_config needs a model, a default config or fields")
    if pretrained_cfg is not None:
        cfg = pretrained_cfg if isinstance(pretrained_cfg, PretrainedCfg) else PretrainedCfg.from_dict(pretrained_cfg)
    else:
        cfg = PretrainedCfg() if model is None else _config_of(model)
    given = {key: value for key, value in (args or {}).items() if value is not None}
    wanted = {key: given[key] for key in _KEYS if key in given}
    if "img_size" in given:
        wanted.setdefault("input_size", (given.get("in_chans", cfg.input_size[0]), *_sides(given["img_size"])))
    if use_test_size:
        wanted = {"input_size": cfg.test_input_size, "crop_pct": cfg.test_crop_pct, **wanted}
    resolved = _overlaid(cfg, wanted)
    return {key: resolved[key] for key in _KEYS}


def _config_of(model: nn.Module) -> PretrainedCfg:
    config = getattr(model, "pretrained_cfg", None)
    if not isinstance(config, Mapping):
        raise OptionError(f"{type(model).__name__} carries no default config: give one, or the fields themselves")
    return config if isinstance(config, PretrainedCfg) else PretrainedCfg.from_dict(config)


def _overlaid(cfg: PretrainedCfg, fields: Mapping[str, Any]) -> PretrainedCfg:
    changed = {key: value for key, value in fields.items() if value is not None}
    if unknown := next((key for key in changed if key not in _KEYS), None):
        raise OptionError(f"the transform has no field {unknown!r}{did_you_mean(unknown, _KEYS)}")
    if "input_size" in changed:
        size = changed["input_size"]
        whole = isinstance(size, tuple | list) and len(size) == 3
        changed["input_size"] = tuple(size) if whole else (cfg.input_size[0], *_sides(size))
    channels = changed.get("input_size", cfg.input_size)[0]
    for key in ("mean", "std"):
        if len(values := tuple(changed.get(key, cfg[key]))) == 1:
            changed[key] = values * channels  # one number counts for every channel
    return cfg.overlaid(changed)


def _sides(size: Any) -> tuple[Any, Any]:
    """(height, width) of a side or a pair."""
    return (size, size) if not isinstance(size, tuple | list) else tuple(size)
