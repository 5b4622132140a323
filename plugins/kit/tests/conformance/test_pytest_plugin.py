"""The option of pytest."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.heavy
def test_the_option_of_pytest_needs_no_test_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text("def test_other(): assert False\n")
    done = run("pytest", "-q", "--zoo-plugin", "zoo-broken", "-k", "feature-info or contract", cwd=tmp_path)
    assert done.returncode == 1
    assert "1 failed, 1 passed" in done.stdout
    assert "map 0 has 128 x 128 of 256 x 256 pixels" in done.stdout
    assert "remedy: correct num_chs" in done.stdout
    assert "Traceback" not in done.stdout
    done = run("pytest", "-q", "--zoo-plugin", "zoo-acme", "-k", "contract or other", "test_other.py", cwd=tmp_path)
    assert "1 failed, 1 passed" in done.stdout
    done = run("pytest", "-q", "--zoo-plugin", "zoo-nobody", cwd=tmp_path)
    assert done.returncode == 4
    assert "'zoo-nobody' is not an installed plugin" in done.stderr


def test_pytest_pays_nothing_for_the_option() -> None:
    program = "import sys; import zoo_kit.conformance.pytest_plugin; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    ours = {name for name in loaded if name.startswith("zoo_")}
    assert ours == {"zoo_kit", "zoo_kit.conformance", "zoo_kit.conformance.pytest_plugin"}
    assert not {"torch", "pytest", "pluggy"} & set(loaded)
