"""The plugin API is what plugins import: every one of this repository, and what `zoo new` writes,
keeps to it."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from zoo_core.cli.main import main

ROOT = Path(__file__).parents[1]
FACE = {"zoo_core", "zoo_core.network", "zoo_core.layers", "zoo_core.config"}
"""The modules that families import from, and that the guide documents."""
TOOLS = {
    "zoo_compat": "cli errors features hooks layers names network registry weights",
    "zoo_kit": "building cli create discovery errors family features hooks names network registry weights",
    "zoo_images": "cli description errors hooks weights",
    "zoo_inference": "cli errors hooks network weights",
    "zoo_training": "errors network weights",
    "zoo_timm": "building errors family registry weights",
    "zoo_torchvision": "building errors family registry",
    "zoo_lab": "discovery errors hooks weights",
}
"""Further rooms and files of zoo_core for tools and bridges, which are released with core or hold a
site's own rules."""
SOURCES = sorted(
    path for folder in ("plugins", "examples") for path in (ROOT / folder).glob("*/src/*") if path.is_dir()
)


def imports_of(folder: Path) -> Iterator[tuple[str, str, str]]:
    """File, module and name of everything that the package's code and stubs import from core."""
    for file in sorted(folder.rglob("*.py*")):
        if file.suffix not in (".py", ".pyi"):
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((file.name, alias.name, "") for alias in node.names if alias.name.startswith("zoo_core"))
            elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "zoo_core":
                yield from ((file.name, str(node.module), alias.name) for alias in node.names)


def exports_of(module: str) -> set[str]:
    face = importlib.import_module(module)
    return set(getattr(face, "__all__", vars(face)))


def assert_keeps_to_the_face(folder: Path) -> None:
    more = TOOLS.get(folder.name, "").split()
    for file, module, name in imports_of(folder):
        if module in FACE:
            assert not name or name in exports_of(module), f"{file}: {module} exports no {name}"
        else:
            assert module.split(".")[1] in more, f"{file} imports {name} from {module}"


@pytest.mark.parametrize("folder", SOURCES, ids=lambda folder: folder.name)
def test_a_plugin_imports_what_the_plugin_api_exports(folder: Path) -> None:
    assert list(imports_of(folder))
    assert_keeps_to_the_face(folder)


@pytest.mark.parametrize("original", [None, pytest.param("Digits", marks=pytest.mark.heavy)])
def test_a_new_plugin_keeps_to_it(tmp_path: Path, original: str | None) -> None:
    nets = ROOT / "plugins/kit/tests/scaffold/nets.py"
    options = ["--from", f"{nets}:{original}"] if original else []
    assert main(["new", "faced", "--directory", str(tmp_path), *options]) == 0
    assert_keeps_to_the_face(tmp_path / "zoo-faced/src/zoo_faced")


@pytest.mark.parametrize("module", sorted(FACE))
def test_everything_that_it_exports_is_there(module: str) -> None:
    face = importlib.import_module(module)
    assert all(getattr(face, name) is not None for name in exports_of(module) if not name.startswith("__"))
    assert not hasattr(face, "no_such_name")


def test_a_network_needs_few_modules_of_core() -> None:
    code = "import sys, zoo_core; zoo_core.create_model('resnet18')\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len([name for name in run.stdout.split() if name.split(".")[0] == "zoo_core"]) <= 45
