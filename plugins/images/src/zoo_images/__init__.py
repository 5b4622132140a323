"""Image files to classes and feature maps.

`transform` makes an image file a network's input, `extract` runs a model over image files,
`picture` draws feature maps, `hooks` adds the commands in `commands` to ``zoo``. Public names are
imported when they are first used: importing this package imports neither torch nor Pillow.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from zoo_images.extract import Extraction as Extraction
    from zoo_images.extract import config_of as config_of
    from zoo_images.extract import extract_maps as extract_maps
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
    "config_of": "extract",
    "extract_maps": "extract",
    "Extraction": "extract",
    "draw_maps": "picture",
    "Maps": "picture",
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
