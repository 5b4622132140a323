"""The programs of docs/training.md run, in the order in which they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
GUIDE = TESTS.parent / "docs" / "training.md"
BLOCKS = re.findall(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
TRAINERS = ("accelerate", "lightning")
DEVICES = "## Many devices"


def execute(program: str, folder: Path) -> None:
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    if done.returncode:
        pytest.fail(f"{program}\n{done.stderr[-4000:]}", pytrace=False)


def of_one_device() -> list[str]:
    before = GUIDE.read_text(encoding="utf-8").partition(DEVICES)[0]
    return [text for language, name, text in BLOCKS if language == "python" and not name and text in before]


@pytest.mark.parametrize("number", range(len(of_one_device())))
def test_a_recipe_of_plain_pytorch(number: int, tmp_path: Path) -> None:
    execute(of_one_device()[number], tmp_path)


@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_recipe_of_a_trainer(trainer: str, tmp_path: Path) -> None:
    if find_spec(trainer) is None:
        pytest.skip(f"{trainer} is not installed")
    (program,) = (text for _, name, text in BLOCKS if name == trainer)
    if find_spec("torchvision"):  # which Lightning imports
        program = f"import sys; sys.path.append({str(TESTS)!r}); import peers; peers.prepare()\n{program}"
    execute(program, tmp_path)


@pytest.mark.heavy
def test_the_recipes_of_many_devices(tmp_path: Path) -> None:
    ran = set()
    for language, name, text in BLOCKS:
        if name in TRAINERS or text in of_one_device():
            continue
        if name:
            (tmp_path / name).write_text(text)
        elif language == "sh":
            launcher, *options, program = text.split()
            assert launcher == "torchrun"
            command = [sys.executable, "-m", "torch.distributed.run", *options, str(TESTS / "leaving.py"), program]
            done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr[-4000:]
            ran.add(program)
        else:
            execute(text, tmp_path)
    assert ran == {"ddp.py", "fsdp.py", "classes.py"}
