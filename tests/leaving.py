"""A way out of a program of several processes: ``torchrun leaving.py PROGRAM ARGUMENT...``.

Gloo's threads outlive `destroy_process_group` once a group has served FSDP2 or DTensor. If one of
them still holds a Python tensor when the interpreter ends, the process aborts: "terminate called
without an active exception" (PyTorch #179291).
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path
from typing import NoReturn


def leave() -> NoReturn:
    """End this process with status 0, without the interpreter's finalization."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    del sys.argv[0]
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)  # as if it had been started itself
    runpy.run_path(sys.argv[0], run_name="__main__")
    leave()
