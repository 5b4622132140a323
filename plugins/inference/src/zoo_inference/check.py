"""Is it the same function? Inputs to compare on, and by how much outputs differ."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

OTHER_BATCHES = (1, 3)
"""Batch sizes that are compared on beside the example's own."""


def probes(example: Tensor) -> list[Tensor]:
    """Return the inputs to compare on: the example, and others, of other batch sizes too."""
    rest = tuple(example.shape[1:])
    if not example.is_floating_point():
        return [example, example[:1], torch.cat([example] * 3)[:3]]
    numbers = torch.Generator().manual_seed(0)

    def drawn(batch: int, spread: float) -> Tensor:
        return (torch.randn((batch, *rest), generator=numbers) * spread).to(example)

    # Images after normalisation lie within a few units of 0; a flat image shows what biases do.
    return [example, *(drawn(batch, 1.0 + index) for index, batch in enumerate(OTHER_BATCHES)), drawn(1, 0.0) + 0.5]


def variation(inputs: list[Tensor], outputs: list[Any]) -> float | None:
    """Return by how much the outputs for two of the `probes` differ, as `largest_error` measures.

    A model that answers every input alike, such as one whose last layer is zero, cannot show that
    an engine is wrong. None where the probes are all of one input, or outputs cannot be compared.
    """
    if not inputs[0].is_floating_point():
        return None
    found = largest_error(outputs[-1], outputs[1])
    return found if math.isfinite(found) else None


def largest_error(output: Any, expected: Any) -> float:
    """Return by how much outputs differ at most, over the largest value of their map.

    Infinite where structure, shape, dtype or layout differ, or values are not finite in one alone.
    """
    leaves, structure = pytree.tree_flatten(output)
    wanted, wanted_structure = pytree.tree_flatten(expected)
    if structure != wanted_structure or len(leaves) != len(wanted):
        return math.inf
    return max((_error(leaf, other) for leaf, other in zip(leaves, wanted, strict=True)), default=0.0)


def _error(leaf: Any, other: Any) -> float:
    if not (isinstance(leaf, Tensor) and isinstance(other, Tensor)):
        return 0.0 if type(leaf) is type(other) and leaf == other else math.inf
    same = (leaf.shape, leaf.dtype, leaf.device) == (other.shape, other.dtype, other.device)
    if not same or leaf.is_contiguous() != other.is_contiguous():
        return math.inf
    if leaf.numel() == 0 or torch.equal(leaf, other):
        return 0.0
    a, b = leaf.detach().double(), other.detach().double()
    if not bool((a.isfinite() == b.isfinite()).all()) or not bool(b.isfinite().any()):
        return math.inf
    finite = b.isfinite()
    if not torch.equal(leaf[~finite].nan_to_num(), other[~finite].nan_to_num()):
        return math.inf
    difference, scale = (a - b)[finite].abs().max().item(), b[finite].abs().max().item()
    return difference / scale if scale else math.inf
