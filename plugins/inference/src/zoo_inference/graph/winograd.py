"""3x3 convolutions with fewer multiplications, by Winograd's minimal filtering.

A filter of 3 taps gives `m` neighbouring outputs with ``m + 2`` multiplications instead of ``3 m``:
``y = A [(G g) * (B d)]``, for a filter `g` and ``m + 2`` inputs `d` (F(m, 3) of
https://arxiv.org/abs/1509.09308). A map is cut into tiles of `m` rows, or of `m` rows and columns.
B turns what a tile reads into planes, one grouped convolution multiplies the planes with their
filters, and A turns them into outputs. B and A are sparse: weighted sums of pixels, which an
embedding bag computes in one pass, whatever their order in memory.
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
"""Where polynomials are evaluated, beside infinity, by a tile's length. All have the point 1."""
TAPS = 3
"""The height and the width of a filter."""
MOST_NUMBERS = 1 << 19
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
        plane = POINTS[rows].index(Fraction(1))
        if columns:
            weight = torch.einsum("qu,poiu->pqoi", filtering(columns).filters, weight)
            plane = plane * (columns + TAPS - 1) + POINTS[columns].index(Fraction(1))
        weight = weight.to(conv.weight.dtype).reshape(-1, channels, 1, 1 if columns else TAPS)
        self.planes = len(weight) // len(conv.weight)
        self.options = (0, 0 if columns else conv.padding[1]), (1, 1), (1, 1), self.planes
        # Every output has the plane of the point 1 once, so that the plane's bias is its own.
        bias = weight.new_zeros(self.planes, len(conv.weight))
        if conv.bias is not None:
            bias[plane] = conv.bias.detach()
        tiles = [axis.tiles for axis in axes(tile, conv)]
        self.images = max(1, MOST_NUMBERS // (self.planes * max(conv.weight.shape[:2]) * math.prod(tiles)))
        self.plans: dict[tuple[int, ...], _Plan] = {}
        shape = [min(batch, self.images), self.planes * channels, *tiles]
        # Past `nn.Module.__setattr__`: a packed weight is no buffer, since it cannot be copied.
        self.weight: Tensor
        self.bias: Tensor
        object.__setattr__(self, "weight", onednn.packed(weight, self.options, shape))
        object.__setattr__(self, "bias", bias.flatten())

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of a map."""
        if len(x) > self.images:
            return torch.cat([self(part) for part in torch.split(x, self.images)])
        shape = tuple(map(int, x.shape)) if onednn.is_tracing() else x.shape
        plan = self.plans.get(shape) or self._planned(shape)
        x = plan.to_planes.of(x.contiguous(memory_format=torch.channels_last).as_strided(*plan.pixels))
        x = onednn.convolve(x.as_strided(*plan.planes), self.weight, self.bias, *self.options)
        return plan.to_outputs.of(x.as_strided(*plan.convolved)).as_strided(*plan.outputs)

    def _planned(self, shape: tuple[int, ...]) -> _Plan:
        """Return what is the same for every map of this shape."""
        batch, channels, *size = shape
        high, wide = (Axis(*each) for each in zip(self.tile, size, self.padding, strict=True))
        out_channels = len(self.bias) // self.planes
        sums = to_outputs(high, wide, batch)
        plan = _Plan(
            pixels=((batch * high.size * wide.size, channels), (channels, 1)),
            to_planes=to_planes(high, wide, batch),
            planes=_channels_last(batch, self.planes * channels, high.tiles, wide.tiles),
            convolved=((sums.rows, out_channels), (out_channels, 1)),
            to_outputs=sums,
            outputs=_channels_last(batch, out_channels, high.outputs, wide.outputs),
        )
        if len(self.plans) >= MOST_PLANS:
            self.plans.clear()
        self.plans[shape] = plan
        return plan


class _Plan(NamedTuple):
    """The sums of a convolution by tiles, and the shapes and strides of what lies between them."""

    pixels: _View
    to_planes: Sums
    planes: _View
    convolved: _View
    to_outputs: Sums
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
        """Return the positions that each tile reads, (tiles, taps), and B, (planes, taps)."""
        if not self.length:
            return torch.arange(self.size).unsqueeze(1), torch.ones(1, 1).double()
        matrix = filtering(self.length).inputs
        begins = torch.arange(self.tiles) * self.length - self.padding
        return begins.unsqueeze(1) + torch.arange(matrix.shape[1]), matrix

    def written(self) -> tuple[Tensor, Tensor, int]:
        """Return the tile of each output, its row of A, (outputs, planes), and how many tiles."""
        outputs = torch.arange(self.outputs)
        if not self.length:
            return outputs, torch.ones(len(outputs), 1).double(), len(outputs)
        return outputs // self.length, filtering(self.length).outputs[outputs % self.length], self.tiles


def axes(tile: Tile, conv: Conv) -> tuple[Axis, Axis]:
    """Return the height and the width of a convolution's input."""
    high, wide = zip(tile, conv.x.meta["shape"][2:], conv.padding, strict=True)
    return Axis(*high), Axis(*wide)


class Sums(NamedTuple):
    """Weighted sums of the rows of a table: a product with a sparse matrix."""

    indices: Tensor
    ends: Tensor
    weights: Tensor
    rows: int

    @classmethod
    def over_last(cls, indices: Tensor, weights: Tensor, batch: int, size: int) -> Sums:
        """Return the sums over the last axis, for `batch` tables of `size` rows in one."""
        used = weights != 0
        firsts = torch.arange(batch).unsqueeze(1) * size
        counts = used.sum(-1).flatten().repeat(batch)
        ends = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return cls(
            (indices[used] + firsts).flatten().int(), ends.int(), weights[used].float().repeat(batch), batch * size
        )

    def of(self, table: Tensor) -> Tensor:
        """Return the sums, a row each."""
        return torch.embedding_bag(table, self.indices, self.ends, False, 0, False, self.weights, True)[0]


@lru_cache(maxsize=64)  # for the layers of a network that are alike
def to_planes(high: Axis, wide: Axis, batch: int) -> Sums:
    """Return B: from pixels (batch, height, width) to (batch, tiles, tiles, planes, planes)."""
    (rows, b_high), (columns, b_wide) = high.read(), wide.read()
    # Axes: tile, tile, plane, plane, tap, tap.
    rows, columns = rows[:, None, None, None, :, None], columns[:, None, None, None, :]
    inside = (rows >= 0) & (rows < high.size) & (columns >= 0) & (columns < wide.size)
    weights = b_high[:, None, :, None] * b_wide[:, None, :] * inside
    indices = (rows * wide.size + columns).expand_as(weights)
    return Sums.over_last(indices.flatten(-2), weights.flatten(-2), batch, high.size * wide.size)


@lru_cache(maxsize=64)  # for the layers of a network that are alike
def to_outputs(high: Axis, wide: Axis, batch: int) -> Sums:
    """Return A: from (batch, tiles, tiles, planes, planes) to pixels (batch, height, width)."""
    (rows, a_high, tiles_high), (columns, a_wide, tiles_wide) = high.written(), wide.written()
    # Axes: row, column, plane, plane.
    weights = (a_high[:, None, :, None] * a_wide[:, None, :]).flatten(-2)
    planes = weights.shape[-1]
    tiles = rows[:, None] * tiles_wide + columns
    indices = tiles[..., None] * planes + torch.arange(planes)
    return Sums.over_last(indices, weights, batch, tiles_high * tiles_wide * planes)
