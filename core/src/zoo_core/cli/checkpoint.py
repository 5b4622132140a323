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
    from zoo_core.config import PretrainedCfg
    from zoo_core.create import create_model
    from zoo_core.weights.loading.adapt import names_of
    from zoo_core.weights.loading.checkpoint import load_state_dict

    net = create_model(name, checkpoint_path=checkpoint, **options)
    own, given = net.state_dict(), load_state_dict(checkpoint)
    for classifier in names_of(PretrainedCfg.from_dict(net.pretrained_cfg).classifier):
        rows, usual = given.get(f"{classifier}.weight"), own.get(f"{classifier}.weight")
        if rows is not None and usual is not None and len(rows) != len(usual):
            overlay = {"num_classes": len(rows), "label_names": None}
            options |= {"num_classes": len(rows), "pretrained_cfg_overlay": overlay}
            return create_model(name, checkpoint_path=checkpoint, **options)
    return net
