"""A process of its own that fetches weights, and names of files with their hash."""

import hashlib
import subprocess
import sys
import time
from collections.abc import Callable

FETCH = """
import sys
from zoo_core.config import PretrainedCfg
from zoo_core.weights.fetch import fetch_weights
print(fetch_weights(PretrainedCfg(url=sys.argv[1], sha256=sys.argv[2] or None)))
"""


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def named(content: bytes) -> str:
    """A torch-style path, with the hash in the name."""
    return f"/models/net-{sha256(content)[:8]}.safetensors"


def spawn(url: str, expected: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, url, expected], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.01)
