"""The kit as an author meets it: its command, its pytest option, its class."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from zoo_core.cli.main import main
from zoo_kit.conformance.environment import Environment
from zoo_kit.conformance.run import checks

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., subprocess.CompletedProcess[str]]

DERIVED = """
from zoo_kit.conformance import PluginConformance

class TestIt(PluginConformance):
    plugin = "zoo-acme"
"""


METADATA = """\
Metadata-Version: 2.4
Name: zoo-spaced
Version: 0.1.0
Summary: Networks in a namespace.
License-Expression: MIT
Requires-Python: >=3.11
Requires-Dist: zoo-core>=0.1
Requires-Dist: torch>=2.4
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
        chosen = environment.variables(**{"ZOO_PLUGINS": "zoo-acme,zoo-broken,zoo-kit", **variables})
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
    done = run("zoo_core.cli", "check", "zoo-acme", ZOO_PLUGINS="zoo-broken,zoo-kit")
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


def test_initialisation_comes_before_what_follows_from_it() -> None:
    names = [check.name for check in checks()]
    assert names.index("initialisation") < min(map(names.index, ("forward", "num-classes", "wrappers", "script")))


def test_an_exemption_is_reported_with_its_reason(run: Run) -> None:
    done = run("zoo_core.cli", "check", "zoo-broken", "--only", "feature-info", "--exempt", "feature-info=seen by eye")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "exempt  feature-info  (seen by eye)",
        "",
        "zoo-broken: 0 passed, 0 failed, 0 skipped, 1 exempt",
    ]


@pytest.mark.parametrize(
    ("exempt", "message"),
    [("feature-inof=why", "no such check. Did you mean 'feature-info'"), ("feature-info", "for no reason: give one")],
)
def test_an_exemption_needs_a_check_and_a_reason(run: Run, exempt: str, message: str) -> None:
    done = run("zoo_core.cli", "check", "zoo-broken", "--only", "contract", "--exempt", exempt)
    assert done.returncode == 2
    assert message in done.stderr


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


def test_a_package_in_a_namespace_conforms(tmp_path: Path) -> None:
    """One without an ``__init__.py`` at the top, which has no ``py.typed`` of its own either."""
    assert main(["new", "spaced", "--directory", str(tmp_path)]) == 0
    site = tmp_path / "site"
    package = site / "spaced" / "nets"
    shutil.copytree(tmp_path / "zoo-spaced/src/zoo_spaced", package)
    for file in package.glob("*"):
        file.write_text(file.read_text().replace("zoo_spaced", "spaced.nets"))
    info = site / "zoo_spaced-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text("[zoo_core.models]\nspaced = spaced.nets:models.json\n")
    names = ("installation", "packaging", "requirements", "imports", "configurations")
    command = ["-m", "zoo_core.cli", "check", "zoo-spaced", *(word for name in names for word in ("--only", name))]
    variables = {**os.environ, "PYTHONPATH": str(site), "ZOO_PLUGINS": "zoo-spaced,zoo-kit"}
    done = subprocess.run([sys.executable, *command], env=variables, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "zoo-spaced: 5 passed, 0 failed, 0 skipped", done.stdout


def test_pytest_pays_nothing_for_the_option() -> None:
    program = "import sys; import zoo_kit.conformance.pytest_plugin; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    ours = {name for name in loaded if name.startswith("zoo_")}
    assert ours == {"zoo_kit", "zoo_kit.conformance", "zoo_kit.conformance.pytest_plugin"}
    assert not {"torch", "pytest", "pluggy"} & set(loaded)
