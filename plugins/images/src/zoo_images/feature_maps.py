"""Images through a model, for the commands: one image at a time, so that its result does not hang on its neighbours."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import zoo_core
from torch import Tensor, nn
from zoo_core.cli.parser import foreign_code
from zoo_core.config import PretrainedCfg

from zoo_images.transform import crop_image, normalise, open_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from PIL.Image import Image


@dataclasses.dataclass(frozen=True, kw_only=True)
class Extraction:
    """The feature maps of some images, and where they come from."""

    model: str
    weights: str
    """The tag, or "random"."""
    images: list[str]
    inputs: list[Image]
    """The images as the network sees them, before normalisation."""
    info: list[dict[str, Any]]
    maps: list[Tensor]
    """One per row of `info`, (images, channels, height, width)."""

    def rows(self) -> Iterator[tuple[int, dict[str, Any], Tensor]]:
        """Each map with its index in the network and its row of ``feature_info``."""
        return ((info["index"], info, maps) for info, maps in zip(self.info, self.maps, strict=True))

    def title(self) -> str:
        """What was extracted from what, in one line."""
        known = self.weights != "random" and self.model.endswith(f".{self.weights}")
        weights = "" if known else f" ({self.weights} weights)"
        count = f"{len(self.images)} images" if len(self.images) > 1 else Path(self.images[0]).name
        return f"{self.model}{weights}: feature maps of {count}"


def config_of(net: nn.Module, input_size: tuple[int, int] | None = None) -> PretrainedCfg:
    """The default config that a created model carries, for another input size (height, width) where one is given."""
    cfg = net.pretrained_cfg
    config = cfg if isinstance(cfg, PretrainedCfg) else PretrainedCfg.from_dict(cfg)  # type: ignore[arg-type]
    channels = config.input_size[0]
    return config if input_size is None else config.overlaid({"input_size": (channels, *input_size)})


def extract(
    name: str,
    images: Sequence[str],
    *,
    out_indices: Sequence[int] | None = None,
    random: bool = False,
    input_size: tuple[int, int] | None = None,
) -> Extraction:
    """Create `name` as a feature extractor and run every image through it.

    Args:
        name: a model name.
        images: paths.
        out_indices: which maps; None for all.
        random: seeded random weights instead of pretrained ones.
        input_size: height and width, instead of the default config's.

    Raises:
        ZooError: for a name, an index or an image that is not one, or weights that do not exist.
    """
    opened = [open_image(image) for image in images]  # Before the model: a wrong path need not wait for a download.
    torch.manual_seed(0)
    with foreign_code(f"cannot create {name!r}"):
        net = zoo_core.create_model(name, pretrained=not random, features_only=True, out_indices=out_indices).eval()
    cfg = config_of(net, input_size)
    inputs = [crop_image(image, cfg) for image in opened]
    size = " x ".join(map(str, cfg.input_size))
    with foreign_code(f"{name!r} cannot take images of {size}"), torch.inference_mode():
        maps = [net(normalise(image, cfg).unsqueeze(0)) for image in inputs]
    return Extraction(
        model=name,
        weights="random" if random else cfg.tag or "pretrained",
        images=list(images),
        inputs=inputs,
        info=net.feature_info.get_dicts(),  # type: ignore[operator,union-attr] # a wrapper's FeatureInfo
        maps=[torch.cat(each) for each in zip(*maps, strict=True)],
    )
