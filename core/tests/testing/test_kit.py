"""The kit as an author meets it: its command, its pytest option, its class."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from zoo_core.cli.main import main
from zoo_core.testing.environment import Environment
from zoo_core.testing.run import checks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., subprocess.CompletedProcess[str]]

DERIVED = """
from zoo_core.testing import PluginConformance

class TestIt(PluginConformance):
    plugin = "zoo-acme"
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run Python where two new plugins are installed: ``zoo-acme``, and ``zoo-broken``, whose feature info lies."""
    folder = tmp_path_factory.mktemp("kit")
    environment = Environment(folder / "venv")
    for name in ("acme", "broken"):
        assert main(["new", name, "--directory", str(folder)]) == 0
        environment.install("--no-build-isolation", "--editable", str(folder / f"zoo-{name}"))
    model = folder / "zoo-broken/src/zoo_broken/model.py"
    model.write_text(model.read_text().replace('"reduction": 2', '"reduction": 4'))

    def run(*arguments: str, cwd: Path = folder, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [str(environment.python), "-m", *arguments]
        chosen = environment.variables(**{"ZOO_PLUGINS": "zoo-acme,zoo-broken", **variables})
        return subprocess.run(command, cwd=cwd, env=chosen, capture_output=True, text=True)

    return run


def test_every_check_says_why_and_what_to_do() -> None:
    for check in checks():
        assert check.name.replace("-", "").islower()
        for line in (check.reason, check.remedy):
            assert 20 < len(line) < 140, check.name
            assert "\n" not in line
            assert not line.endswith(".")


def test_the_command_reports(run: Run) -> None:
    done = run(
        "zoo_core.cli", "check", "zoo-broken", "--only", "contract", "--only", "feature-info", "--only", "wrappers"
    )
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "    ok  contract",
        "FAILED  feature-info",
        "        - broken_tiny: map 0 has 128 of 256 pixels, and feature_info says reduction 4",
        "        why: detectors and segmenters are built from channels and reductions before anything runs",
        "        remedy: correct num_chs, reduction and module in the network's feature_info",
        "     -  wrappers  (needs feature-info, which failed)",
        "",
        "zoo-broken: 1 passed, 1 failed, 1 skipped",
    ]


def test_the_command_reports_to_programs(run: Run) -> None:
    done = run("zoo_core.cli", "check", "zoo-broken", "--json", "--only", "feature-info")
    report = json.loads(done.stdout)
    assert (done.returncode, report["conforms"]) == (1, False)
    assert report["checks"][0]["check"] == "feature-info"
    assert report["checks"][0]["remedy"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say which plugin to check"),
        (["zoo-acne"], "'zoo-acne' is not an installed plugin. Did you mean 'zoo-acme'?"),
        (["zoo-acme", "--only", "feature-inof"], "there is no check 'feature-inof'. Did you mean 'feature-info'"),
    ],
    ids=str,
)
def test_mistakes(run: Run, arguments: list[str], message: str) -> None:
    done = run("zoo_core.cli", "check", *arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_disabled_plugin_is_named_as_such(run: Run) -> None:
    done = run("zoo_core.cli", "check", "zoo-acme", ZOO_PLUGINS="zoo-broken")
    assert done.returncode == 2
    assert "zoo-acme is installed, but ZOO_PLUGINS keeps it out" in done.stderr


def test_the_option_of_pytest_needs_no_test_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text("def test_other(): assert False\n")
    done = run("pytest", "-q", "--zoo-plugin", "zoo-broken", "-k", "feature-info or contract", cwd=tmp_path)
    assert done.returncode == 1
    assert "1 failed, 1 passed" in done.stdout
    assert "map 0 has 128 of 256 pixels" in done.stdout
    assert "remedy: correct num_chs" in done.stdout
    assert "Traceback" not in done.stdout
    done = run("pytest", "-q", "--zoo-plugin", "zoo-acme", "-k", "contract or other", "test_other.py", cwd=tmp_path)
    assert "1 failed, 1 passed" in done.stdout
    done = run("pytest", "-q", "--zoo-plugin", "zoo-nobody", cwd=tmp_path)
    assert done.returncode == 4
    assert "'zoo-nobody' is not an installed plugin" in done.stderr


def test_the_class_makes_a_test_of_each_check(run: Run, tmp_path: Path) -> None:
    (tmp_path / "test_acme.py").write_text(DERIVED)
    done = run("pytest", "--collect-only", "-q", cwd=tmp_path)
    for check in checks():
        assert f"test_acme.py::TestIt::test_conforms[{check.name}]" in done.stdout
    done = run("pytest", "-q", "-k", "contract or old-names", cwd=tmp_path)
    assert "1 passed, 1 skipped" in done.stdout


def test_pytest_pays_nothing_for_the_option() -> None:
    program = "import sys; import zoo_core.testing.pytest_plugin; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    ours = {name for name in loaded if name.startswith("zoo_core")}
    assert ours == {"zoo_core", "zoo_core.testing", "zoo_core.testing.pytest_plugin"}
    assert not {"torch", "pytest", "pluggy"} & set(loaded)
