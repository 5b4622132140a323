"""``zoo check`` of a wheel that is not installed."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest
from wheels import ROOT, build_wheel
from zoo_core.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(ROOT / "examples" / "zoo-tinynet", tmp_path_factory.mktemp("tinynet"))


def zoo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "zoo_core.cli", *arguments], capture_output=True, text=True)


def test_a_wheel_is_checked_without_being_installed(wheel: Path) -> None:
    done = zoo("check", str(wheel), "--json", "--only", "manifest", "--only", "shipped-weights", "--only", "listing")
    report = json.loads(done.stdout)
    assert (done.returncode, report["plugin"], report["conforms"]) == (0, "zoo-tinynet", True)
    assert [check["outcome"] for check in report["checks"]] == ["passed"] * 3
    assert "zoo-tinynet" not in zoo("plugins").stdout


def test_code_that_a_wheel_runs_at_startup_is_found(tmp_path: Path, wheel: Path) -> None:
    doctored = tmp_path / wheel.name
    doctored.write_bytes(wheel.read_bytes())
    with zipfile.ZipFile(doctored, "a") as archive:
        archive.writestr("tinynet.pth", "import zoo_tinynet\n")
    done = zoo("check", str(doctored), "--only", "listing")
    assert done.returncode == 1
    assert "a process that lists the models has imported zoo_tinynet" in done.stdout


def test_what_is_no_wheel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.whl").write_text("no zip")
    for path, message in (("y.whl", "there is no wheel"), ("x.whl", "is not a zip file")):
        done = zoo("check", str(tmp_path / path))
        assert done.returncode == 2
        assert message in done.stderr


def test_the_wheel_of_a_project_that_is_exempt(tmp_path: Path) -> None:
    """No installer copies ``pyproject.toml``: the project is the one that the wheel lies in."""
    assert main(["new", "freed", "--directory", str(tmp_path)]) == 0
    project = tmp_path / "zoo-freed"
    with (project / "pyproject.toml").open("a") as file:
        file.write('\n[tool.zoo.exempt]\nrequirements = "its dependencies come with the machine"\n')
    build = ("-m", "pip", "wheel", "-q", "--no-deps", "--no-index", "--no-build-isolation", "-w", "dist", ".")
    subprocess.run([sys.executable, *build], cwd=project, check=True)
    wheel = project / "dist/zoo_freed-0.1.0-py3-none-any.whl"
    check = ("-m", "zoo_core.cli", "check", str(wheel), "--only", "requirements")
    done = subprocess.run([sys.executable, *check], capture_output=True, text=True)
    assert "exempt  requirements  (its dependencies come with the machine)" in done.stdout, done.stdout + done.stderr
