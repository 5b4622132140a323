"""Processes that are forked while threads of their parent build models."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

FORKS = """
import os, threading, time, warnings
import torch
from torch import nn
from zoo_core.building.materialise import building

torch.set_num_threads(1)
ended = threading.Event()

def build():
    with building() as deferral:
        layer = nn.Linear(1000, 1000)
        torch.rand(300_000)
        layer.weight.sum()
    return layer

def draw():
    while not ended.is_set():
        build()

threads = [threading.Thread(target=draw) for _ in range(2)]
for thread in threads: thread.start()
warnings.simplefilter("ignore")  # Python warns of a fork beside threads
children = []
for _ in range(40):
    if not (child := os.fork()):
        build()
        os._exit(0)
    children.append(child)
    time.sleep(0.01)
ended.set()
for thread in threads: thread.join()
end = time.monotonic() + 30
while children and time.monotonic() < end:
    children = [child for child in children if os.waitpid(child, os.WNOHANG) == (0, 0)]
    time.sleep(0.01)
for child in children: os.kill(child, 9)
assert not children, f"{len(children)} of 40 children wait for a thread that they do not have"
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_process_that_is_forked_while_other_threads_draw() -> None:
    done = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
