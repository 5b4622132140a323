"""Plugins as build backends really install them: wheels, editable installs, zips on the path."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
import zoo_core

SOURCE = Path(zoo_core.__file__).parents[1]
BODY = "def __getattr__(name):\n    return lambda **options: (name, options)\n"
MODELS = {"api": 1, "family": "built", "configs": "configs.json"}
MODELS["architectures"] = {"built": {"constructor": "zoo_built.net:built", "default": "t", "tags": ["t"]}}  # type: ignore[assignment]
PROJECT = """
[build-system]
requires = ["{requires}"]
build-backend = "{backend}"
[project]
name = "zoo-built"
version = "1.2"
[project.entry-points."zoo_core.models"]
built = "zoo_built:models.json"
[project.entry-points."zoo_core.hooks"]
lab = "zoo_built.lab"
[tool.setuptools.package-data]
zoo_built = ["*.json"]
[tool.hatch.build.targets.wheel]
packages = ["{packages}"]
"""
# Lists with our scan, then with importlib_metadata, and uses the model; a `.pth` file works as in a
# real environment.
PROGRAM = """
import json, site, sys
site.addsitedir(sys.argv[1])
from zoo_core.discovery.entry_points import GROUPS, scan
from zoo_core.registry import find_model, get_pretrained_cfg, list_models, load_constructor
ours = [(e.distribution, e.version, e.group, e.name, e.value) for e in scan().entry_points]
models, url = list_models(), get_pretrained_cfg("built").url
assert "zoo_built" not in sys.modules
built = load_constructor(find_model("built"))()
from importlib import metadata
oracle = [(d.name, d.version, e.group, e.name, e.value) for d in metadata.distributions()
          for e in d.entry_points if e.group in GROUPS]
print(json.dumps([ours, sorted(oracle, key=lambda row: row[2:]), models, url, built]))
"""
LINES = [
    ["zoo-built", "1.2", "zoo_core.hooks", "lab", "zoo_built.lab"],
    ["zoo-built", "1.2", "zoo_core.models", "built", "zoo_built:models.json"],
]


def listed(path: Path) -> None:
    command = [sys.executable, "-S", "-c", PROGRAM, str(path)]
    done = subprocess.run(command, env={"PYTHONPATH": str(SOURCE)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ours, oracle, models, url, built = json.loads(done.stdout)
    assert ours == oracle == LINES
    assert (models, url, built[0]) == (["built"], "https://x", "built")


def project(root: Path, backend: str, *, src: bool) -> Path:
    package = root / ("src" if src else ".") / "zoo_built"
    package.mkdir(parents=True)
    for name, text in {"__init__.py": "", "net.py": BODY, "lab.py": ""}.items():
        (package / name).write_text(text)
    (package / "models.json").write_text(json.dumps(MODELS))
    (package / "configs.json").write_text('{"built.t": {"url": "https://x"}}')
    packages = "src/zoo_built" if src else "zoo_built"
    text = PROJECT.format(requires=backend.partition(".")[0], backend=backend, packages=packages)
    (root / "pyproject.toml").write_text(text)
    return root


def require(package: str) -> None:
    """Skip the test where a package is missing; importing setuptools would replace distutils."""
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed")


@pytest.mark.parametrize("src", [True, False], ids=["src", "flat"])
@pytest.mark.parametrize("hook", ["build_wheel", "build_editable"])
@pytest.mark.parametrize("backend", ["hatchling.build", "setuptools.build_meta"])
def test_wheels_and_editable_installs(tmp_path: Path, backend: str, hook: str, src: bool) -> None:
    require(backend.partition(".")[0])
    require("editables")  # hatchling asks for it only where it builds an editable wheel
    root = project(tmp_path / "project", backend, src=src)
    target = tmp_path / "site"
    target.mkdir()
    program = f"import sys; from {backend} import {hook}; {hook}(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    listed(target)


def test_a_strict_editable_install_of_setuptools(tmp_path: Path) -> None:
    """It links files one by one, behind a finder or a `.pth`."""
    require("setuptools")
    root = project(tmp_path / "project", "setuptools.build_meta", src=True)
    program = (
        "import sys; from setuptools.build_meta import build_editable; "
        "build_editable(sys.argv[1], {'editable_mode': 'strict'})"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=root, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    target = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    listed(target)


def test_a_zip_on_the_path(tmp_path: Path) -> None:
    root = project(tmp_path / "project", "hatchling.build", src=False)
    archive = tmp_path / "plugins.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted((root / "zoo_built").iterdir()):
            file.write(path, f"zoo_built/{path.name}")
        info = "zoo_built-1.2.dist-info"
        file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: zoo-built\nVersion: 1.2\n")
        lines = "[zoo_core.hooks]\nlab = zoo_built.lab\n[zoo_core.models]\nbuilt = zoo_built:models.json\n"
        file.writestr(f"{info}/entry_points.txt", lines)
    program = PROGRAM.replace("site.addsitedir(sys.argv[1])", "sys.path.append(sys.argv[1])")
    command = [sys.executable, "-c", program, str(archive)]
    environment = {"PYTHONPATH": str(SOURCE), "ZOO_PLUGINS": "zoo-built"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ours, _, models, url, built = json.loads(done.stdout)
    assert [line for line in ours if line[0] == "zoo-built"] == LINES
    assert (models, url, built[0]) == (["built"], "https://x", "built")
