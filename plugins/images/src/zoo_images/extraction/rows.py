"""Images with what became of each: its features, or the reason why there are none."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclasses.dataclass(frozen=True)
class Rows:
    """Some images that follow each other in a source."""

    names: list[str]
    """All of them."""
    reasons: list[str | None]
    """Why each failed; None where it did not."""
    features: dict[str, Tensor]
    """By name, (images that did not fail, ...)."""

    @property
    def paths(self) -> list[str]:
        """The images that did not fail, one for each row of the features."""
        return [name for name, reason in zip(self.names, self.reasons, strict=True) if reason is None]

    @property
    def failures(self) -> dict[str, str]:
        """The images that failed, with the reasons."""
        return {name: reason for name, reason in zip(self.names, self.reasons, strict=True) if reason is not None}

    def table(self) -> pa.Table:
        """Return a table of ``path``, ``status``, ``reason``, and a list for each feature."""
        good = np.array([reason is None for reason in self.reasons])
        columns: dict[str, pa.Array] = {
            "path": pa.array(self.names, pa.string()),
            "status": pa.array(["ok" if each else "failed" for each in good], pa.string()),
            "reason": pa.array(self.reasons, pa.string()),
        }
        shapes = {}
        for name, tensor in self.features.items():
            values = tensor.flatten(1).numpy()
            rows = np.zeros((len(good), values.shape[1]), values.dtype)
            rows[good] = values
            lists = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), values.shape[1], mask=pa.array(~good))
            columns[name] = lists
            shapes[name] = list(tensor.shape[1:])
        return pa.table(columns).replace_schema_metadata({"shapes": json.dumps(shapes)})


def rows_of(table: pa.Table) -> Rows:
    """Read a table that `Rows.table` made."""
    shapes: dict[str, Any] = json.loads((table.schema.metadata or {}).get(b"shapes", b"{}"))
    features = {}
    for name, shape in shapes.items():
        column = table.column(name).combine_chunks().drop_null()
        features[name] = torch.from_numpy(column.flatten().to_numpy().copy()).view(-1, *shape)
    return Rows(table.column("path").to_pylist(), table.column("reason").to_pylist(), features)


def joined(parts: Sequence[Rows]) -> Rows:
    """Put rows after each other; there must be some."""
    return Rows(
        [name for part in parts for name in part.names],
        [reason for part in parts for reason in part.reasons],
        {name: torch.cat([part.features[name] for part in parts]) for name in parts[0].features},
    )
