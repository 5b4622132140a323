"""The class of a plugin's own tests, and exemptions in it and in the project."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_kit.conformance.run import checks

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., subprocess.CompletedProcess[str]]

DERIVED = """
from zoo_kit.conformance import PluginConformance

class TestIt(PluginConformance):
    plugin = "zoo-acme"
"""


def test_the_class_makes_a_test_of_each_check(run: Run, tmp_path: Path) -> None:
    (tmp_path / "test_acme.py").write_text(DERIVED)
    done = run("pytest", "--collect-only", "-q", cwd=tmp_path)
    for check in checks():
        assert f"test_acme.py::TestIt::test_conforms[{check.name}]" in done.stdout
    done = run("pytest", "-q", "-k", "contract or old-names", cwd=tmp_path)
    assert "1 passed, 1 skipped" in done.stdout


def test_a_project_and_its_tests_exempt_it(run: Run, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        DERIVED.replace("zoo-acme", "zoo-broken") + '    exempt = {"feature-info": "said in a test"}\n'
    )
    arguments = ("pytest", "-q", "-rs", "-k", "feature-info")
    assert "exempt: said in a test" in run(*arguments, cwd=tmp_path).stdout
    project = Path(run("zoo_core.cli", "plugins", "--json").args[0]).parents[2] / "zoo-broken/pyproject.toml"
    was = project.read_text()
    project.write_text(was + '\n[tool.zoo.exempt]\nfeature-info = "said in the project"\n')
    try:
        done = run(*arguments, "--zoo-plugin", "zoo-broken", cwd=tmp_path)
        assert "exempt: said in the project" in done.stdout
    finally:
        project.write_text(was)
