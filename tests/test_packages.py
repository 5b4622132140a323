"""The metadata of the packages: one version, and the licences of everything that they ship."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from safetensors import safe_open
from wheels import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = [ROOT / "core", *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]
RELEASE = [sys.executable, str(ROOT / "tools/release.py")]


def metadata(package: Path) -> dict[str, Any]:
    return tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_a_package_states_the_licence_of_each_file_of_weights_in_it(package: Path) -> None:
    said = metadata(package)
    notice = package / "NOTICE"
    weights = sorted(package.glob("src/**/*.safetensors"))
    for path in weights:
        with safe_open(path, "pt") as file:
            licence = file.metadata()["license"].replace(" ", "-")
        assert licence in said["license"], path
        assert str(path.relative_to(package)) in notice.read_text(encoding="utf-8")
    assert notice.exists() == (said["license"] != "Apache-2.0")
    assert said["license-files"] == ["LICENSE", *["NOTICE"] * notice.exists()]


def test_all_packages_and_the_citation_have_one_version(tmp_path: Path) -> None:
    script = "import release; print(*release.versions().values())"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT / "tools", capture_output=True, text=True, check=True
    )
    versions = done.stdout.split()
    assert len(versions) == len(PACKAGES) + 1
    assert len(set(versions)) == 1
    assert versions[0] in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
