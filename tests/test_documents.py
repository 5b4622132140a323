"""The documents name what there is: paths, rooms and each other."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest
from wheels import ROOT

if TYPE_CHECKING:
    from pathlib import Path

CORE = ROOT / "core/src/zoo_core"
DOCUMENTS = sorted(
    path for pattern in ("*.md", "docs/*.md", "core/*.md", "plugins/*/*.md") for path in ROOT.glob(pattern)
)
PATH = re.compile(r"`([\w.-]+(?:/[\w.-]+)*/?)`")
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_its_links_lead_somewhere(document: Path) -> None:
    for target in LINK.findall(document.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (document.parent / target).exists(), target


def test_the_architecture_names_paths_that_exist() -> None:
    paths = [name for name in PATH.findall(ARCHITECTURE) if "/" in name or name.endswith(".py")]
    assert len(paths) > 30
    made = {"zoo-resnet/resnet50"}  # the qualified name of a model
    lacking = {name for name in paths if not (ROOT / name).exists() and not (CORE / name).exists()}
    assert lacking <= made


def test_the_architecture_lists_every_room_of_core() -> None:
    (table,) = re.findall(r"## The rooms of core\n(.*?)\n## ", ARCHITECTURE, re.DOTALL)
    rooms = {f"{path.parent.relative_to(CORE)}/" for path in CORE.glob("*/**/__init__.py")}
    assert rooms <= set(PATH.findall(table))


TOOLS = [
    path
    for tool in ("kit", "images", "inference", "training", "compat")
    for path in (ROOT / "plugins" / tool / "src").rglob("__init__.py")
]


@pytest.mark.parametrize("init", TOOLS, ids=lambda path: path.parent.name)
def test_a_room_of_a_tool_lists_what_is_in_it(init: Path) -> None:
    listed = set(re.findall(r"`(\w+)`", ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))) or ""))
    modules = {path.stem for path in init.parent.glob("*.py")} - {"__init__"}
    rooms = {path.parent.name for path in init.parent.glob("*/__init__.py")}
    assert modules | rooms <= listed


def test_the_repository_points_at_no_document_that_it_does_not_hold() -> None:
    held = {path.name for path in DOCUMENTS}
    sources = [ROOT / "Makefile", ROOT / "pyproject.toml"]
    for folder in ("core", "plugins", "tests", "examples", "benchmarks"):
        sources += [path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".toml", ".tmpl")]
    for path in sources:
        if path.name != "test_documents.py":
            text = path.read_text(encoding="utf-8")
            assert set(re.findall(r"[\w-]+\.md\b", text)) <= held, path
            assert not re.search(r"\bDESIGN\b|\bHOUSE\b", text), path
