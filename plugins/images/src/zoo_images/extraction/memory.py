"""Memory of processes that are ours: what they free, they keep for the next batch."""

from __future__ import annotations

import ctypes
import sys

from PIL import Image

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
_KEPT = 1 << 30
_KEPT_BLOCKS = 8
"""Of 16 MB, in which Pillow holds images."""


def keep_freed_memory() -> None:
    """Let this process keep up to a gigabyte that it frees, instead of giving it back at once.

    The C library gives large blocks back to the system, and Pillow its images. The system clears
    them anew for the next batch, which took a sixth of the time of a ResNet-18 on a CPU. Call it in
    a process that nobody else uses. With another C library than glibc, only Pillow keeps memory.
    """
    Image.core.set_blocks_max(_KEPT_BLOCKS)  # type: ignore[attr-defined] # it has no other name
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _KEPT)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
