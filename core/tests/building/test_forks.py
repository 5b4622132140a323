"""Processes that are forked while threads of their parent build models."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from forks import forks_beside_threads

BUILD = """
import torch
from torch import nn
from zoo_core.building.materialise import building

torch.set_num_threads(1)

def build():
    with building():
        layer = nn.Linear(1000, 1000)
        torch.rand(300_000)
        layer.weight.sum()
    return True

build()  # imports all that it needs: Python itself holds a lock for each module that a thread imports
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_process_that_is_forked_while_other_threads_draw() -> None:
    program = forks_beside_threads(prepare=BUILD, work="build()", succeeds="build()", count=40)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
