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

    The C library gives large blocks back to the system, which clears them anew for the next batch,
    and Pillow does so after each image: a sixth of the time of a ResNet-18 on a CPU, and half of
    the time of decoding. For a process that nobody else uses; where the library is another than
    glibc, only Pillow keeps.
    """
    Image.core.set_blocks_max(_KEPT_BLOCKS)  # type: ignore[attr-defined] # it has no other name
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _KEPT)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
