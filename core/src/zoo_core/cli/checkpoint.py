"""``--checkpoint``: weights of the user's own for the model that a command runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from torch import nn


def add_checkpoint_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--checkpoint``."""
    parser.add_argument("--checkpoint", metavar="FILE", help="weights of your own for it: .safetensors, .pth")


def create_with(name: str, checkpoint: str, **options: Any) -> nn.Module:
    """Create a model with a file's weights, and with as many classes as the file's classifier has.

    Raises:
        ZooError: for a model or a file that does not exist, or weights that do not fit.
    """
    from zoo_core.create import create_model
    from zoo_core.errors import WeightsError

    options["checkpoint_path"] = checkpoint
    try:
        return create_model(name, **options)
    except WeightsError as error:
        if (classes := error.num_classes) is None:
            raise
    overlay = {"num_classes": classes, "label_names": None}
    return create_model(name, num_classes=classes, pretrained_cfg_overlay=overlay, **options)
