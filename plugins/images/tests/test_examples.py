"""The examples that start from a folder of images."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sklearn")
EXAMPLES = Path(__file__).parents[3] / "examples"


def test_a_linear_probe_reads_the_digits(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "linear_probe.py"), "--output", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    percent = float(done.stdout.split("reads ")[1].split("%")[0])
    assert percent >= 98


def test_every_cell_of_the_notebook_runs() -> None:
    notebook = json.loads((EXAMPLES / "nearest_images.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    program = "\n".join([*cells, "print(summary.failed, [match.path[0] for match in matches])"])
    done = subprocess.run([sys.executable, "-c", program], cwd=EXAMPLES, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"0 {['7'] * 6}"
