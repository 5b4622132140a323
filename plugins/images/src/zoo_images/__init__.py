"""Image files to classes, feature maps and vectors.

`transform` makes an image file a network's input, and `evaluation` does so for datasets, in
`steps`; `signatures` says what a file is that is no image.
`feature_maps` runs a model over some images and `picture` draws its maps; `labels` names classes.
`extraction` turns any number of images into files of features; `nearest` compares them and
`overview` draws them. `chart` draws the accuracy of models over what they cost.
`hooks`
adds the commands in `commands` to ``zoo``. Public names are imported when they are first used:
importing this package imports neither torch nor Pillow.
"""

from __future__ import annotations

TYPE_CHECKING: bool = False  # with an annotation jedi completes the names below
if TYPE_CHECKING:
    from zoo_images.evaluation import Transform as Transform
    from zoo_images.evaluation import create_transform as create_transform
    from zoo_images.evaluation import resolve_data_config as resolve_data_config
    from zoo_images.extraction.extract import extract as extract
    from zoo_images.extraction.extract import iterate as iterate
    from zoo_images.extraction.rows import Rows as Rows
    from zoo_images.extraction.verify import verify as verify
    from zoo_images.feature_maps import Extraction as Extraction
    from zoo_images.feature_maps import config_of as config_of
    from zoo_images.feature_maps import extract_maps as extract_maps
    from zoo_images.labels import Label as Label
    from zoo_images.labels import label_of as label_of
    from zoo_images.nearest import search as search
    from zoo_images.picture import Maps as Maps
    from zoo_images.picture import draw_maps as draw_maps
    from zoo_images.transform import crop_image as crop_image
    from zoo_images.transform import load_images as load_images
    from zoo_images.transform import normalise as normalise
    from zoo_images.transform import open_image as open_image
    from zoo_images.transform import transform_image as transform_image

_EXPORTS = {
    "open_image": "transform",
    "crop_image": "transform",
    "normalise": "transform",
    "transform_image": "transform",
    "load_images": "transform",
    "Transform": "evaluation",
    "create_transform": "evaluation",
    "resolve_data_config": "evaluation",
    "config_of": "feature_maps",
    "extract_maps": "feature_maps",
    "Extraction": "feature_maps",
    "label_of": "labels",
    "Label": "labels",
    "draw_maps": "picture",
    "Maps": "picture",
    "extract": "extraction.extract",
    "iterate": "extraction.extract",
    "Rows": "extraction.rows",
    "verify": "extraction.verify",
    "search": "nearest",
}
__all__ = list(_EXPORTS)


def __getattr__(name: str) -> object:
    """Import a public name where it is defined (PEP 562)."""
    if (module := _EXPORTS.get(name)) is None:
        raise AttributeError(f"module 'zoo_images' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"zoo_images.{module}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_EXPORTS})
