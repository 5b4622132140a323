"""The nearest images of a query: exact cosine similarity over extracted vectors, nothing more."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from zoo_core.errors import OptionError

from zoo_images.extraction.decoders import decode, require_decoder
from zoo_images.extraction.network import FeatureNetwork, NetworkOptions
from zoo_images.extraction.run import read_run
from zoo_images.extraction.shards import read_features
from zoo_images.transform import open_image

if TYPE_CHECKING:
    from torch import Tensor


@dataclasses.dataclass(frozen=True, kw_only=True)
class Match:
    """An image, and how like the query it is: a cosine, from -1 to 1."""

    path: str
    similarity: float


def search(features: str | Path, like: str | Path, *, top: int = 10, feature: str | None = None) -> list[Match]:
    """Find the images whose vectors point most nearly as the query's does.

    Args:
        features: an output of `zoo_images.extract`, or its folder of features.
        like: an image file, which goes through the same network.
        top: how many to return, the nearest first.
        feature: which vectors to compare; by default the first that was extracted.

    Raises:
        OptionError: when there are no features, or not these.
    """
    folder = Path(features)
    output = folder if (folder / "features").is_dir() else folder.parent
    settings = read_run(output)["settings"]
    options = NetworkOptions.from_json(settings["network"])
    require_decoder(decoder := str(settings["decoder"]))
    open_image(like)  # before the model: a wrong path need not wait for a download
    # Looking for the fastest way to run it takes longer than one image.
    network = FeatureNetwork(dataclasses.replace(options, optimize=False))
    name = feature or network.features[0]
    if name not in network.features:
        raise OptionError(f"there are no features {name!r} in {str(folder)!r}; there are {', '.join(network.features)}")
    query = _unit(network(decode(Path(like), str(like), network.cfg, decoder).unsqueeze(0))[name])[0]
    best: list[tuple[float, str]] = []
    for rows in read_features(folder):
        similarities = (_unit(rows.features[name]) @ query).clamp(-1, 1).tolist()
        best = sorted([*best, *zip(similarities, rows.paths, strict=True)], key=lambda each: (-each[0], each[1]))[:top]
    return [Match(path=path, similarity=similarity) for similarity, path in best]


def _unit(vectors: Tensor) -> Tensor:
    """Vectors of length 1, float32 (images, values)."""
    return torch.nn.functional.normalize(vectors.flatten(1).float(), dim=1)
