"""A chart of models: accuracy over cost, with the Pareto front, the models that no other beats."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont
from zoo_core.description import short
from zoo_core.errors import ImageError, OptionError

from zoo_images.picture import GROUND, INK, LINE, PALE, write_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zoo_core.description import Description

WIDTH, HEIGHT = 1280, 800
LEFT, RIGHT, TOP, BOTTOM = 72, 32, 64, 64
"""Margins around the field with the points, in pixels."""
FRONT, GRID = (196, 64, 32), (228, 228, 234)
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_AXES = {"params": "parameters", "macs": "multiply-adds, at the image size of the accuracy"}
_RADIUS, _SMALL = 5, 12
Box = tuple[float, float, float, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Point:
    """A model in the chart."""

    name: str
    cost: float
    top1: float


def save_chart(models: Iterable[Description], over: str, path: str) -> None:
    """Draw the models that have both figures, and write the chart.

    Args:
        models: what is known of them.
        over: the cost: ``"params"`` or ``"macs"``.
        path: an image file, of one of `SUFFIXES`.

    Raises:
        OptionError: for another kind of file.
        ImageError: if no model has both figures.
    """
    if Path(path).suffix.lower() not in SUFFIXES:
        raise OptionError(f"cannot draw into {path!r}: expected a file that ends in {', '.join(SUFFIXES)}")
    if not (points := points_of(models, over)):
        raise ImageError(f"nothing to draw: none of these models has an accuracy and a count of {_AXES[over]}")
    draw_chart(points, _AXES[over]).save(path)


def points_of(models: Iterable[Description], over: str) -> list[Point]:
    """Return the models that have a top-1 accuracy and the cost."""
    points = []
    for model in models:
        cost = model.parameters if over == "params" else model.macs_of_best
        if cost and model.top1 is not None:
            points.append(Point(name=model.name, cost=cost, top1=model.top1))
    return points


def pareto_front(points: Iterable[Point]) -> list[Point]:
    """Return the points that no other point beats: none costs as little and is as accurate."""
    front: list[Point] = []
    for point in sorted(points, key=lambda point: (point.cost, -point.top1)):
        if not front or point.top1 > front[-1].top1:
            front.append(point)
    return front


def draw_chart(points: Sequence[Point], cost: str) -> Image.Image:
    """Draw the points over a logarithmic axis of cost; names stand where there is room for them."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), GROUND)
    draw = ImageDraw.Draw(picture)
    field = _Field(points)
    front = pareto_front(points)
    title = f"ImageNet-1k top-1 in percent, over {cost}; the Pareto front of {len(points)} in red"
    write_line(draw, (LEFT, 20), title, INK, LINE - 1, room=WIDTH - LEFT - RIGHT)
    _draw_axes(draw, field)
    spots = {point: field.spot(point) for point in points}
    draw.line([spots[point] for point in front], fill=FRONT, width=2)
    for point in [*(point for point in points if point not in front), *front]:
        x, y = spots[point]
        colour = FRONT if point in front else PALE
        draw.ellipse((x - _RADIUS, y - _RADIUS, x + _RADIUS, y + _RADIUS), fill=colour, outline=GROUND)
    taken = [_around(spots[point]) for point in points]
    # The front's names first: they are what the chart is for.
    for point in [*front, *sorted(set(points) - set(front), key=lambda point: (-point.top1, point.name))]:
        _write_name(draw, point.name, spots[point], taken, INK if point in front else PALE)
    return picture


class _Field:
    """The ranges of both axes, and the place of a point between the margins."""

    def __init__(self, points: Sequence[Point]) -> None:
        costs, accuracies = [point.cost for point in points], [point.top1 for point in points]
        self.low, self.high = math.log10(min(costs)) - 0.05, math.log10(max(costs)) + 0.15
        self.bottom, self.top = min(accuracies) - 0.5, max(accuracies) + 0.5

    def x(self, cost: float) -> float:
        return LEFT + (math.log10(cost) - self.low) / (self.high - self.low) * (WIDTH - LEFT - RIGHT)

    def y(self, top1: float) -> float:
        return HEIGHT - BOTTOM - (top1 - self.bottom) / (self.top - self.bottom) * (HEIGHT - TOP - BOTTOM)

    def spot(self, point: Point) -> tuple[float, float]:
        return self.x(point.cost), self.y(point.top1)

    def costs(self) -> list[float]:
        """Return round costs for the axis: 1, 2 and 5 times powers of ten."""
        powers = range(math.floor(self.low), math.ceil(self.high) + 1)
        rounds = [step * 10.0**power for power in powers for step in (1, 2, 5)]
        return [cost for cost in rounds if self.low <= math.log10(cost) <= self.high]

    def accuracies(self) -> list[float]:
        """Return round accuracies for the axis, ten or so."""
        step = next(step for step in (0.2, 0.5, 1, 2, 5, 10) if (self.top - self.bottom) / step <= 12)
        first = math.ceil(self.bottom / step)
        return [number * step for number in range(first, math.floor(self.top / step) + 1)]


def _draw_axes(draw: ImageDraw.ImageDraw, field: _Field) -> None:
    for cost in field.costs():
        x = field.x(cost)
        draw.line((x, TOP, x, HEIGHT - BOTTOM), fill=GRID)
        write_line(draw, (round(x) - 12, HEIGHT - BOTTOM + 8), short(cost), PALE, _SMALL + 1, room=60)
    for accuracy in field.accuracies():
        y = field.y(accuracy)
        draw.line((LEFT, y, WIDTH - RIGHT, y), fill=GRID)
        write_line(draw, (LEFT - 44, round(y) - 8), f"{accuracy:g}", PALE, _SMALL + 1, room=40)


def _write_name(
    draw: ImageDraw.ImageDraw, name: str, spot: tuple[float, float], taken: list[Box], colour: tuple[int, int, int]
) -> None:
    """Write a name beside its point, on the first side with room; nowhere if there is none."""
    width, height = draw.textlength(name, ImageFont.load_default(_SMALL)), _SMALL + 3
    x, y = spot
    gap = _RADIUS + 3
    sides = [(x - width - gap, y - height), (x + gap, y - height), (x + gap, y), (x - width - gap, y)]
    for left, top in [*sides, (x - width / 2, y - height - gap), (x - width / 2, y + gap)]:
        box = (left, top, left + width, top + height)
        inside = left >= LEFT and box[2] <= WIDTH - 4 and top >= TOP - 20 and box[3] <= HEIGHT - BOTTOM
        if inside and not any(_overlap(box, other) for other in taken):
            taken.append(box)
            write_line(draw, (round(left), round(top)), name, colour, _SMALL, room=WIDTH)
            return


def _around(spot: tuple[float, float]) -> Box:
    x, y = spot
    return x - _RADIUS, y - _RADIUS, x + _RADIUS, y + _RADIUS


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
