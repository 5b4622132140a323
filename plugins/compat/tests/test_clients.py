"""Libraries that use timm do with Zoo in its place what they do with timm."""

from __future__ import annotations

import json
import re
import site
import subprocess
import venv
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent / "clients"
JOBS = re.findall(r"^@job\ndef (\w+)", (HERE / "clients.py").read_text(encoding="utf-8"), re.MULTILINE)
PAGE = (ROOT / "docs/coming-from-timm.md").read_text(encoding="utf-8")


def test_the_page_reports_on_each() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == JOBS


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each job gave with timm and with Zoo. The libraries lie beside this environment."""
    folder = tmp_path_factory.mktemp("clients")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    packages = next(folder.glob("lib/*/site-packages"))
    lines = "; ".join(["import site", *(f"site.addsitedir({path!r})" for path in site.getsitepackages())])
    (packages / "host.pth").write_text(lines, encoding="utf-8")
    install = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "-c",
        ROOT / "constraints.txt",
        "-r",
        HERE / "requirements.txt",
    ]
    got = subprocess.run(install, capture_output=True, text=True, timeout=1800)
    if got.returncode:
        pytest.skip(f"the libraries cannot be had: {got.stderr.strip().splitlines()[-1][:200]}")
    return {whose: _run(python, whose) for whose in ("timm", "zoo")}


def _run(python: Path, whose: str) -> dict[str, Any]:
    command = [python, HERE / "clients.py", whose]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [json.loads(line.removeprefix("JOB ")) for line in done.stdout.splitlines() if line.startswith("JOB ")]
    return {line.pop("job"): line for line in lines}


@pytest.mark.exhaustive
@pytest.mark.peers
@pytest.mark.parametrize("job", JOBS)
def test_it_does_with_zoo_what_it_does_with_timm(outcomes: dict[str, dict[str, Any]], job: str) -> None:
    assert "error" not in outcomes["timm"][job], outcomes["timm"][job]
    assert outcomes["zoo"][job] == outcomes["timm"][job]
