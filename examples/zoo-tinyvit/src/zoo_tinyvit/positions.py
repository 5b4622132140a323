"""The position embedding: resized for images, and for weights, of another size."""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING

import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

if TYPE_CHECKING:
    from zoo_tinyvit.model import TinyVit


def resize_positions(positions: Tensor, rows: int, columns: int, wanted_rows: int, wanted_columns: int) -> Tensor:
    """(1, rows * columns, channels) to (1, wanted_rows * wanted_columns, channels), bicubic."""
    if rows == wanted_rows and columns == wanted_columns:
        return positions
    grid = positions.reshape(1, rows, columns, -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=[wanted_rows, wanted_columns], mode="bicubic", antialias=True)
    return grid.flatten(2).transpose(1, 2)


def fit_positions(state_dict: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Resize the embedding in a file of weights to the network's, from a square grid."""
    network: TinyVit = model  # type: ignore[assignment] # of this family
    found = state_dict.get("pos_embed")
    if found is None or found.ndim != 3 or found.shape[1] == network.pos_embed.shape[1]:
        return state_dict
    side = isqrt(found.shape[1])
    if side * side != found.shape[1]:
        return state_dict  # it does not fit, and the error says so
    return {**state_dict, "pos_embed": resize_positions(found.float(), side, side, *network.grid)}
