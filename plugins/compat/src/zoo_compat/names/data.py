"""The names of ``timm.data`` for evaluation, served by zoo-images; the rest is timm's."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from zoo_compat.facade import real_timm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

DEFAULT_CROP_PCT = 0.875
DEFAULT_CROP_MODE = "center"
IMAGENET_DEFAULT_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEFAULT_STD = (0.229, 0.224, 0.225)
IMAGENET_INCEPTION_MEAN = (0.5, 0.5, 0.5)
IMAGENET_INCEPTION_STD = (0.5, 0.5, 0.5)
IMAGENET_DPN_MEAN = (124 / 255, 117 / 255, 104 / 255)
IMAGENET_DPN_STD = (1 / (0.0167 * 255),) * 3
OPENAI_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
OPENAI_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

__all__ = [
    "DEFAULT_CROP_MODE",
    "DEFAULT_CROP_PCT",
    "IMAGENET_DEFAULT_MEAN",
    "IMAGENET_DEFAULT_STD",
    "IMAGENET_DPN_MEAN",
    "IMAGENET_DPN_STD",
    "IMAGENET_INCEPTION_MEAN",
    "IMAGENET_INCEPTION_STD",
    "OPENAI_CLIP_MEAN",
    "OPENAI_CLIP_STD",
    "create_transform",
    "resolve_data_config",
    "resolve_model_data_config",
]


def resolve_data_config(
    args: Mapping[str, Any] | None = None,
    pretrained_cfg: Any = None,
    model: nn.Module | None = None,
    use_test_size: bool = False,
    verbose: bool = False,
) -> dict[str, Any]:
    """Return what a model's images look like: size, mean, std, crop, interpolation."""
    return _images().resolve_data_config(
        args=args, pretrained_cfg=pretrained_cfg, model=model, use_test_size=use_test_size
    )


def resolve_model_data_config(
    model: nn.Module,
    args: Mapping[str, Any] | None = None,
    pretrained_cfg: Any = None,
    use_test_size: bool = False,
    verbose: bool = False,
) -> dict[str, Any]:
    """Return what the images of `model` look like, see `resolve_data_config`."""
    return resolve_data_config(args, pretrained_cfg, model, use_test_size)


def create_transform(input_size: Any = 224, is_training: bool = False, **options: Any) -> Any:
    """Return the transform of an evaluation; one for training is an installed timm's.

    Raises:
        MissingExtraError: without zoo-images and timm, or for a training's transform without timm.
    """
    if not is_training:
        return _images().create_transform(input_size=input_size, **options)
    from zoo_core.errors import MissingExtraError

    if (data := real_timm("timm.data")) is None:
        raise MissingExtraError("transforms for training are timm's: pip install timm, or use torchvision.transforms")
    return data.create_transform(input_size, is_training, **options)


def _images() -> Any:
    """Return zoo-images, or without it what an installed timm has of the same names."""
    try:
        return import_module("zoo_images")  # by name: no plugin needs another
    except ModuleNotFoundError as error:
        if error.name != "zoo_images":
            raise
        if (data := real_timm("timm.data")) is not None:
            return data
        from zoo_core.errors import MissingExtraError

        raise MissingExtraError("transforms are in zoo-images: pip install zoo-images") from None
