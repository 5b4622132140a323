"""Image files to classes, feature maps and vectors.

`transform` prepares an image, and `evaluation` does so for datasets; `feature_maps` runs a model over some images and
`picture` draws its maps; `extraction` turns any number of images into files of features, `nearest` compares them and
`overview` draws them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from zoo_images.evaluation import Transform as Transform
    from zoo_images.evaluation import create_transform as create_transform
    from zoo_images.evaluation import resolve_data_config as resolve_data_config
    from zoo_images.extraction.run import extract as extract
    from zoo_images.extraction.verify import verify as verify
    from zoo_images.nearest import search as search

_EXPORTS = {
    "Transform": "evaluation",
    "create_transform": "evaluation",
    "resolve_data_config": "evaluation",
    "extract": "extraction.run",
    "search": "nearest",
    "verify": "extraction.verify",
}
__all__ = [*_EXPORTS]  # noqa: PLE0604 - the table is the list


def __getattr__(name: str) -> object:
    """Import a public name where it is defined (PEP 562), so that the package itself imports no torch."""
    if (module := _EXPORTS.get(name)) is None:
        raise AttributeError(f"module 'zoo_images' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"zoo_images.{module}"), name)
    globals()[name] = value
    return value
