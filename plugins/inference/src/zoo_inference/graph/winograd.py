"""3x3 convolutions with fewer multiplications, by Winograd's minimal filtering.

A filter of 3 taps gives `m` neighbouring outputs with ``m + 2`` multiplications instead of ``3 m``:
``y = A [(G g) * (B d)]``, for a filter `g` and ``m + 2`` inputs `d` (F(m, 3) of
https://arxiv.org/abs/1509.09308). A map is cut into tiles of `m` rows, or of `m` rows and columns.
B turns what a tile reads into planes, one grouped convolution multiplies the planes with their
filters, and A turns them into outputs. B and A are sparse: weighted sums of pixels, along one axis
after the other, which an embedding bag computes in one pass, whatever their order in memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from zoo_inference.graph import onednn
from zoo_inference.graph.nodes import Conv

Tile = tuple[int, int]
"""The height and the width of a tile; a width of 0 for tiles along the height alone."""

POINTS: dict[int, tuple[Fraction, ...]] = {
    length: tuple(Fraction(point) for point in text.split())
    for length, text in {
        4: "0 1 -1 2 -2",
        5: "0 1 -1 2 -2 1/2",
        6: "0 1 -1 2 -2 1/2 -1/2",
        # Of the sets tried, the one with the least error in float32: 1.6 times that of 6.
        7: "1 -1 1/4 -1/4 5/8 -5/8 2 -2",
    }.items()
}
"""Where polynomials are evaluated, beside infinity, by a tile's length."""
TAPS = 3
"""The height and the width of a filter."""
MOST_NUMBERS = 1 << 20
"""Numbers of the planes that are computed at once. More of them leave the processor's caches."""
MOST_PLANS = 4
"""Shapes of inputs that a convolution keeps what it needs for."""


class Tiled(onednn.Convolution):
    """A 3x3 convolution of stride 1, tile by tile.

    Args:
        conv: the convolution.
        tile: the size of the tiles.
    """

    def __init__(self, conv: Conv, tile: Tile) -> None:
        super().__init__()
        self.tile, self.padding = tile, conv.padding
        (rows, columns), (batch, channels, _, _) = tile, conv.x.meta["shape"]
        weight = torch.einsum("pt,oitu->poiu", filtering(rows).filters, conv.weight.detach().double())
        if columns:
            weight = torch.einsum("qu,poiu->pqoi", filtering(columns).filters, weight)
        weight = weight.to(conv.weight.dtype).reshape(-1, channels, 1, 1 if columns else TAPS)
        self.out_channels = len(conv.weight)
        self.planes = len(weight) // self.out_channels
        self.options = (0, 0 if columns else conv.padding[1]), (1, 1), (1, 1), self.planes
        tiles = [axis.tiles for axis in axes(tile, conv)]
        most = MOST_NUMBERS // (self.planes * max(channels, self.out_channels) * math.prod(tiles))
        self.images = onednn.largest_part(batch, most)
        self.plans: dict[tuple[int, ...], _Plan] = {}
        shape = [self.images, self.planes * channels, *tiles]
        # Past `nn.Module.__setattr__`: a packed weight is no buffer, since it cannot be copied.
        self.weight: Tensor
        self.bias: Tensor | None
        object.__setattr__(self, "weight", onednn.packed(weight, self.options, shape))
        object.__setattr__(self, "bias", None if conv.bias is None else conv.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of a map."""
        if len(x) > self.images:
            return torch.cat([self(part) for part in torch.split(x, self.images)])
        shape = tuple(map(int, x.shape)) if onednn.is_tracing() else x.shape
        plan = self.plans.get(shape) or self._planned(shape)
        x = x.contiguous(memory_format=torch.channels_last).as_strided(*plan.pixels)
        for sums in plan.to_planes:
            x = sums.of(x)
        x = onednn.convolve(x.as_strided(*plan.planes), self.weight, None, *self.options)
        x = x.as_strided(*plan.convolved)
        for sums in plan.to_outputs:
            x = sums.of(x)
        if self.bias is not None:  # here, since the planes have more numbers than the outputs
            x += self.bias
        return x.as_strided(*plan.outputs)

    def _planned(self, shape: tuple[int, ...]) -> _Plan:
        """Return what is the same for every map of this shape."""
        batch, channels, *size = shape
        high, wide = (Axis(*each) for each in zip(self.tile, size, self.padding, strict=True))
        out_channels = self.out_channels
        rows = batch * high.tiles * (wide.tiles if wide.length else wide.outputs) * self.planes
        plan = _Plan(
            pixels=((batch * high.size * wide.size, channels), (channels, 1)),
            to_planes=to_planes(high, wide, batch),
            planes=_channels_last(batch, self.planes * channels, high.tiles, wide.tiles),
            convolved=((rows, out_channels), (out_channels, 1)),
            to_outputs=to_outputs(high, wide, batch),
            outputs=_channels_last(batch, out_channels, high.outputs, wide.outputs),
        )
        if len(self.plans) >= MOST_PLANS:
            self.plans.clear()
        self.plans[shape] = plan
        return plan


class _Plan(NamedTuple):
    """The sums of a convolution by tiles, and the shapes and strides of what lies between them."""

    pixels: _View
    to_planes: list[Sums]
    planes: _View
    convolved: _View
    to_outputs: list[Sums]
    outputs: _View


_View = tuple[tuple[int, ...], tuple[int, ...]]


def _channels_last(batch: int, channels: int, height: int, width: int) -> _View:
    return (batch, channels, height, width), (height * width * channels, 1, width * channels, channels)


@dataclass(frozen=True)
class Filtering:
    """The matrices of F(m, 3), in float64.

    Attributes:
        outputs: A, (m, m + 2).
        filters: G, (m + 2, 3).
        inputs: B, (m + 2, m + 2).
    """

    outputs: Tensor
    filters: Tensor
    inputs: Tensor


@cache
def filtering(length: int) -> Filtering:
    """Return the matrices that give `length` outputs at once, by Toom and Cook's construction.

    Filter and outputs are polynomials, evaluated at the points and, for the last coefficient, at
    infinity. Rows of B are scaled by powers of two, so that no plane is much larger than another.
    """
    points = POINTS[length]
    outputs = [[point**power for point in points] + [Fraction(power == length - 1)] for power in range(length)]
    filters, inputs = [], []
    for point in points:
        others = [other for other in points if other != point]
        value = Fraction(1)
        for other in others:
            value *= point - other
        filters.append([point**power / value for power in range(TAPS)])
        inputs.append([*_with_roots(others), Fraction(0)])
    filters.append([Fraction(power == TAPS - 1) for power in range(TAPS)])
    inputs.append(_with_roots(points))
    a, g, b = (
        torch.tensor([[float(x) for x in row] for row in rows], dtype=torch.float64)
        for rows in (outputs, filters, inputs)
    )
    scale = torch.exp2((2 / b.abs().sum(1)).log2().round()).unsqueeze(1)
    return Filtering(a, g / scale, b * scale)


def _with_roots(roots: Sequence[Fraction]) -> list[Fraction]:
    """Return the coefficients, lowest first, of the polynomial with these roots."""
    found = [Fraction(1)]
    for root in roots:
        found = [low - root * high for low, high in zip([Fraction(0), *found], [*found, Fraction(0)], strict=True)]
    return found


class Axis(NamedTuple):
    """The height or the width of a map: the length of its tiles (0 for none), size, padding."""

    length: int
    size: int
    padding: int

    @property
    def outputs(self) -> int:
        """The size of the convolution's output."""
        return self.size + 2 * self.padding - TAPS + 1

    @property
    def tiles(self) -> int:
        """The number of tiles; without tiles, of inputs."""
        return -(-self.outputs // self.length) if self.length else self.size

    def read(self) -> tuple[Tensor, Tensor]:
        """Return the positions that each tile reads, (tiles, taps), and B, (tiles, planes, taps).

        In the padding, the position is 0 and so is B.
        """
        matrix = filtering(self.length).inputs
        positions = torch.arange(self.tiles).unsqueeze(1) * self.length - self.padding + torch.arange(len(matrix))
        inside = (positions >= 0) & (positions < self.size)
        return positions * inside, matrix * inside.unsqueeze(1)

    def written(self) -> tuple[Tensor, Tensor]:
        """Return the tile of each output, and its row of A, (outputs, planes)."""
        outputs = torch.arange(self.outputs)
        return outputs // self.length, filtering(self.length).outputs[outputs % self.length]


def axes(tile: Tile, conv: Conv) -> tuple[Axis, Axis]:
    """Return the height and the width of a convolution's input."""
    high, wide = zip(tile, conv.x.meta["shape"][2:], conv.padding, strict=True)
    return Axis(*high), Axis(*wide)


class Sums(NamedTuple):
    """Weighted sums of the rows of a table: a product with a sparse matrix."""

    indices: Tensor
    ends: Tensor
    weights: Tensor

    @classmethod
    def over_last(cls, indices: Tensor, weights: Tensor, batch: int, size: int) -> Sums:
        """Return the sums over the last axis, for `batch` tables of `size` rows in one."""
        indices, weights = torch.broadcast_tensors(indices, weights)  # type: ignore[no-untyped-call]
        used = weights != 0
        firsts = torch.arange(batch).unsqueeze(1) * size
        counts = used.sum(-1).flatten().repeat(batch)
        ends = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return cls((indices[used] + firsts).flatten().int(), ends.int(), weights[used].float().repeat(batch))

    @property
    def numbers(self) -> int:
        """How many rows are read and written."""
        return len(self.indices) + len(self.ends) - 1

    def of(self, table: Tensor) -> Tensor:
        """Return the sums, a row each."""
        return torch.embedding_bag(table, self.indices, self.ends, False, 0, False, self.weights, True)[0]


@lru_cache(maxsize=64)  # for the layers of a network that are alike
def to_planes(high: Axis, wide: Axis, batch: int) -> list[Sums]:
    """Return B along the height, and where the width has tiles, along it too.

    The first is of pixels (batch, height, width) and gives (batch, tiles, width, planes); the other
    is of the first's rows and gives (batch, tiles, tiles, planes, planes).
    """
    positions, matrix = high.read()
    rows = _rows(high.size, wide.size)
    # Axes: tile, column, plane, tap.
    found = [Sums.over_last(rows[positions].mT.unsqueeze(2), matrix.unsqueeze(1), batch, rows.numel())]
    if wide.length:
        rows = _rows(high.tiles, wide.size, matrix.shape[1])
        positions, matrix = wide.read()
        # Axes: tile, tile, plane, plane, tap.
        found.append(Sums.over_last(rows[:, positions].mT.unsqueeze(3), matrix.unsqueeze(1), batch, rows.numel()))
    return found


@lru_cache(maxsize=64)  # for the layers of a network that are alike
def to_outputs(high: Axis, wide: Axis, batch: int) -> list[Sums]:
    """Return A, the width first: from what `to_planes` gives to pixels (batch, height, width)."""
    tiles, matrix = high.written()
    planes, found = matrix.shape[1], []
    if wide.length:
        columns, across = wide.written()
        rows = _rows(high.tiles, wide.tiles, planes, across.shape[1])
        # Axes: tile, column, plane, plane.
        found = [Sums.over_last(rows[:, columns], across.unsqueeze(1), batch, rows.numel())]
    rows = _rows(high.tiles, wide.outputs, planes)
    # Axes: row, column, plane.
    return [*found, Sums.over_last(rows[tiles], matrix.unsqueeze(1), batch, rows.numel())]


def _rows(*shape: int) -> Tensor:
    """Return the number of each row of a table whose rows have these axes."""
    return torch.arange(math.prod(shape)).view(shape)
