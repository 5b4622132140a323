"""The memory of weights and maps: what the system does with it, and how large maps may be.

Memory that the C library returned to the system is cleared anew for the next map, which can take a
tenth of a network's time. In large pages, the processor finds it with fewer look-ups.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from zoo_inference.graph.onednn import largest_part

LARGE = 32 << 20
"""Bytes from which glibc returns a freed map to the system: the largest `M_MMAP_THRESHOLD`."""
_KEPT = LARGE - (64 << 10)  # the largest block that it keeps, less what it and PyTorch add
MOST_HEAP = 2 << 30
"""Bytes of a heap that is moved to large pages, which takes some 2.5 seconds for each gigabyte."""
_MAPS, _PAGE, _COLLAPSE = Path("/proc/self/maps"), 2 << 20, 25


def keep_freed() -> None:
    """Let glibc keep freed maps, as far as it does that at all.

    It keeps what is smaller than the largest block that was freed so far, up to `LARGE`, and twice
    as much in all (mallopt(3), on its dynamic threshold). Another C library has other rules, and
    this is nothing to it. The block is never written to, so that it takes no memory.
    """
    torch.empty(_KEPT, dtype=torch.uint8)


def use_large_pages() -> None:
    """Let Linux move this process's heap to pages of 2 MiB, where it is at most `MOST_HEAP`.

    It is advice, as Linux takes it since 6.1 (madvise(2), on MADV_COLLAPSE); an older one, or
    another system, leaves the heap as it is.
    """
    try:
        regions = _MAPS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for region in regions:
        if region.endswith("[heap]"):
            begin, end = (int(address, 16) for address in region.split()[0].split("-"))
            begin, end = -(-begin // _PAGE) * _PAGE, end // _PAGE * _PAGE
            if 0 < end - begin <= MOST_HEAP:
                ctypes.CDLL(None).madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), _COLLAPSE)


def images_at_once(net: fx.GraphModule, images: Tensor, batch: int) -> int:
    """Return how many images to compute at once: all, or equal parts in which no map is `LARGE`.

    Args:
        net: a graph with shapes.
        images: what the shapes are of.
        batch: how many images there are.
    """
    maps = [node for node in net.graph.nodes if node.op != "get_attr" and node.meta.get("shape")]
    (output,) = (node for node in net.graph.nodes if node.op == "output")
    if any(node not in maps or node.meta["shape"][0] != len(images) for node in output.all_input_nodes):
        return batch  # an output is not one of each image
    largest = max(math.prod(node.meta["shape"]) for node in maps) // len(images) * images.element_size()
    return largest_part(batch, (LARGE - 1) // largest)


def in_parts(run: Callable[[Tensor], Any], images: int) -> Callable[[Tensor], Any]:
    """Return a function that runs `images` at a time, and joins the outputs."""

    def run_all(x: Tensor) -> Any:
        first, *others = [run(part) for part in torch.split(x, images)]
        return pytree.tree_map(lambda *leaves: torch.cat(leaves), first, *others) if others else first

    return run_all
