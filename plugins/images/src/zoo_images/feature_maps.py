"""Feature maps of image files.

Images run through the model one at a time, so that the result of one does not depend on the others
of a batch.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import zoo_core
from torch import Tensor, nn
from zoo_core.cli.parser import foreign_code
from zoo_core.config import PretrainedCfg
from zoo_core.errors import OptionError

from zoo_images.transform import crop_image, normalise, open_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from PIL.Image import Image


@dataclasses.dataclass(frozen=True, kw_only=True)
class Extraction:
    """The feature maps of some images, with their origin."""

    model: str
    weights: str
    """The tag, or "random"."""
    images: list[str]
    inputs: list[Image]
    """The images as the network sees them, cropped and not yet normalised."""
    info: list[dict[str, Any]]
    maps: list[Tensor]
    """One per row of `info`, (images, channels, height, width)."""

    def rows(self) -> Iterator[tuple[int, dict[str, Any], Tensor]]:
        """Yield each map with its index in the network and its row of ``feature_info``."""
        return ((info["index"], info, maps) for info, maps in zip(self.info, self.maps, strict=True))

    def title(self) -> str:
        """Return one line that names the model, its weights and the images."""
        known = self.weights != "random" and self.model.endswith(f".{self.weights}")
        weights = "" if known else f" ({self.weights} weights)"
        count = f"{len(self.images)} images" if len(self.images) > 1 else Path(self.images[0]).name
        return f"{self.model}{weights}: feature maps of {count}"


def config_of(net: nn.Module, input_size: tuple[int, int] | None = None) -> PretrainedCfg:
    """Return the default config that a created model carries.

    Args:
        net: a model of `create_model`.
        input_size: height and width in pixels that replace the config's; None to keep them.
    """
    cfg = net.pretrained_cfg
    config = cfg if isinstance(cfg, PretrainedCfg) else PretrainedCfg.from_dict(cfg)  # type: ignore[arg-type]
    channels = config.input_size[0]
    return config if input_size is None else config.overlaid({"input_size": (channels, *input_size)})


def weights_of(checkpoint: str | None, *, random: bool) -> dict[str, Any]:
    """The options of `zoo_core.create_model` for a file of weights, random or pretrained ones.

    Raises:
        OptionError: for random weights of a file.
    """
    if checkpoint and random:
        raise OptionError(f"weights are either random or those of {checkpoint!r}")
    return {"checkpoint_path": checkpoint} if checkpoint else {"pretrained": not random}


def extract_maps(
    name: str,
    images: Sequence[str],
    *,
    out_indices: Sequence[int] | None = None,
    random: bool = False,
    input_size: tuple[int, int] | None = None,
    checkpoint: str | None = None,
) -> Extraction:
    """Create the model `name` as a feature extractor, and run every image through it.

    Args:
        name: a model name.
        images: paths of image files.
        out_indices: indices of the maps; None for all.
        random: use seeded random weights instead of pretrained ones.
        input_size: height and width in pixels, instead of those of the default config.
        checkpoint: a file of weights of the caller's own, instead of the pretrained ones.

    Raises:
        OptionError: for random weights of a file.
        ZooError: for a model, map or image that does not exist, or a model without weights.
    """
    opened = [open_image(image) for image in images]  # first, so that a wrong path costs no download
    torch.manual_seed(0)
    with foreign_code(f"cannot create {name!r}"):
        options = {**weights_of(checkpoint, random=random), "features_only": True, "out_indices": out_indices}
        net = zoo_core.create_model(name, **options).eval()
    cfg = config_of(net, input_size)
    inputs = [crop_image(image, cfg) for image in opened]
    size = " x ".join(map(str, cfg.input_size))
    with foreign_code(f"{name!r} cannot take images of {size}"), torch.inference_mode():
        maps = [net(normalise(image, cfg).unsqueeze(0)) for image in inputs]
    return Extraction(
        model=name,
        weights="random" if random else checkpoint or cfg.tag or "pretrained",
        images=list(images),
        inputs=inputs,
        info=net.feature_info.get_dicts(),
        maps=[torch.cat(each) for each in zip(*maps, strict=True)],
    )
