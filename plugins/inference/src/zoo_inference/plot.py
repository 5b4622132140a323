"""A picture of measurements: times by batch size, a line for each model and contestant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zoo_core.errors import MissingExtraError

from zoo_inference.benchmark import Measurement


def plot(measurements: Sequence[Measurement], path: Path) -> None:
    """Draw images per second over batch sizes, a panel for each size of image.

    Raises:
        MissingExtraError: where matplotlib is not installed.
    """
    try:
        import matplotlib as library
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("a plot needs matplotlib: pip install 'zoo-inference[plot]'") from error
    del library
    panels: dict[tuple[str, tuple[int, int]], list[Measurement]] = defaultdict(list)
    for row in measurements:
        panels[row.mode, row.size].append(row)
    figure = Figure(figsize=(6 * len(panels), 4), layout="constrained")
    for index, ((mode, size), rows) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(1, len(panels), index)
        axes.set_title(f"{mode}, {size[0]} x {size[1]}")
        axes.set_xlabel("batch")
        axes.set_ylabel("images per second")
        for label, points in _lines(rows).items():
            axes.plot([row.batch for row in points], [row.images_per_second for row in points], "o-", label=label)
        axes.legend()
    figure.savefig(path)


def _lines(rows: Sequence[Measurement]) -> dict[str, list[Any]]:
    lines: dict[str, list[Any]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.batch):
        lines[f"{row.model}, {row.contestant}"].append(row)
    return lines
