"""The figures of the documents are those of the results that the benchmarks wrote."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from wheels import ROOT

RESULTS = sorted((ROOT / "docs/benchmarks").glob("*.json"))
SPEED = re.compile(r"\d\s?(times (faster|slower|less)|ms\b|µs\b|images/s)")


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("page")


def test_the_documents_have_the_figures_of_the_results_alone(page: Any) -> None:
    for path, text in page.documents().items():
        name = path.relative_to(ROOT)
        assert path.read_text(encoding="utf-8") == text, f"{name} is not what benchmarks/page.py writes"


@pytest.mark.parametrize("document", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda p: p.name)
def test_no_figure_of_speed_is_typed_by_hand(document: Path) -> None:
    typed = re.sub(r"<!-- (\w+): written by .*?<!-- /\1 -->", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert not SPEED.search(typed)


@pytest.mark.parametrize("file", RESULTS, ids=lambda path: path.stem)
def test_a_result_says_how_it_was_made_and_names_no_machine(file: Path) -> None:
    result = json.loads(file.read_text(encoding="utf-8"))
    assert set(result["machine"]) == {"cpu", "cores", "system"}
    assert {"python", "torch", "timm", "torchvision"} <= set(result["versions"])
    program = re.fullmatch(r"python (benchmarks/\w+\.py)( [\w ./-]+)?", result["command"])
    assert program
    assert (ROOT / program[1]).exists()
    assert not re.search(r"/(tmp|home|root|Users|work)\b", file.read_text(encoding="utf-8"))


@pytest.mark.heavy
def test_a_benchmark_writes_what_the_page_shows(page: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "benchmarks/training.py", "resnet50", "--size", "32", "--batch", "2", "--rounds", "1"]
    subprocess.run([*command, "--json", str(tmp_path / "training.json")], cwd=ROOT, check=False)
    monkeypatch.setattr(page, "RESULTS", tmp_path)
    texts = {path.name: text for path, text in page.documents().items()}
    assert "| resnet50: bytes | zoo " in texts["benchmarks.md"]
    assert "`python benchmarks/training.py resnet50 --size 32" in texts["training.md"]
    assert texts["training.svg"].count("<rect") == 6
