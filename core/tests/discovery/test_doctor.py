"""Every problem has a remedy, and a healthy installation none."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from zoo_core.cli.main import main
from zoo_core.discovery.doctor import Problem, describe, examine
from zoo_core.registry import current_index, refresh

if TYPE_CHECKING:
    from pathlib import Path

    from sites import Site


def problems() -> list[Problem]:
    return examine(current_index())


def only() -> tuple[str, str]:
    (problem,) = problems()
    return problem.what, problem.remedy


def test_a_healthy_installation(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.plugin("zoo-one", {"one": ["t"]}, aliases={"old": "one.t"})
    site.info("zoo-lab", entry_points="[zoo_core.hooks]\nlab = zoo_one.hooks\n")
    site.package("zoo_one", {"hooks.py": ""})
    assert problems() == []
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Python 3")
    assert "plugin API 1" in lines[0]
    assert lines[-1] == "no problems"
    assert any(line.split()[:5] == ["zoo-one", "1.0", "family", "one", "1"] for line in lines)


def test_exit_code_and_json_when_something_is_wrong(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    (site.plugin("zoo-bad", ["bad"]) / "models.json").unlink()
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "problem: plugin zoo-bad 1.0 (entry point 'bad' = 'zoo_bad:models.json' in zoo_core.models) is broken" in out
    assert " remedy: pip install --force-reinstall zoo-bad" in out
    assert out.endswith("\n1 problem\n")
    assert main(["doctor", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["plugins"][0]["state"] == "broken"
    assert report["problems"][0]["remedy"] == "pip install --force-reinstall zoo-bad"
    assert set(report["versions"]) == {"Python", "zoo-core", "plugin API", "torch"}


def test_an_incompatible_plugin(site: Site) -> None:
    site.plugin("zoo-future", ["x"], header=False, api=9)
    assert only()[1] == "pip install --upgrade zoo-future zoo-core"


def test_a_manifest_whose_end_is_broken_although_its_names_list(site: Site) -> None:
    package = site.plugin("zoo-bad", ["bad"])
    (package / "models.json").write_text((package / "models.json").read_text().splitlines()[0] + "\n")
    assert "is broken: its manifest in zoo_bad is not valid JSON" in only()[0]
    assert describe(current_index())[0]["state"] == "broken"


def test_a_missing_module_of_a_constructor_is_found_without_importing(site: Site) -> None:
    site.package("zoo_short", {"__init__.py": "raise SystemExit"})
    site.info("zoo-short", entry_points="[zoo_core.models]\nshort = zoo_short.nets.small:short\n")
    what, remedy = only()
    assert what.endswith("lacks its module 'zoo_short.nets.small'")
    assert remedy == "pip install --force-reinstall zoo-short"


def test_a_missing_package_of_a_hook(site: Site) -> None:
    site.info("zoo-lab", entry_points="[zoo_core.hooks]\nlab = zoo_lab\n")
    assert (
        only()[0] == "plugin zoo-lab 1.0 (entry point 'lab' = 'zoo_lab' in zoo_core.hooks) lacks its package 'zoo_lab'"
    )


def test_contradictions_of_the_tables(site: Site) -> None:
    site.plugin(
        "zoo-one",
        {"one": ["t"]},
        aliases={"old": "gone", "older": "one.gone"},
        configs={"one.x": {}, "two": {}, "one": {"sha": "1"}},
    )
    whose = "plugin zoo-one 1.0 (entry point 'one' = 'zoo_one:models.json' in zoo_core.models)"
    assert [problem.what for problem in problems()] == [
        f"{whose} maps 'old' to 'gone', which it does not offer",
        f"{whose} maps 'older' to 'one.gone', which it does not offer",
        f"{whose} has a default config 'one.x' of no model",
        f"{whose} has a default config 'two' of no model",
        f"{whose} has a broken default config 'one': unknown default config field 'sha'. Did you mean 'sha256'?",
        f"{whose} has no default config for 'one.t'",
    ]
    assert {problem.remedy for problem in problems()} == {
        "tell the authors of zoo-one to run `zoo manifest`, or upgrade it"
    }


def test_a_conflict(site: Site) -> None:
    for name in ("zoo-a", "zoo-b"):
        site.plugin(name, ["n1", "n2", "n3", "n4", name])
    assert only() == (
        "zoo-a and zoo-b both offer n1, n2, n3 and 1 more",
        "use the qualified names, such as zoo-a/n1 or zoo-b/n1, or keep one out with ZOO_DISABLE_PLUGINS=zoo-b",
    )


def test_settings_that_name_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.plugin("zoo-one", ["one"])
    monkeypatch.setenv("ZOO_DISABLE_PLUGINS", "zoo-onr")
    assert only() == (
        "ZOO_DISABLE_PLUGINS names 'zoo-onr', which is not an installed plugin. Did you mean 'zoo-one'?",
        "correct ZOO_DISABLE_PLUGINS",
    )


def test_a_disabled_plugin_is_shown_and_no_problem(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    (site.plugin("zoo-one", ["one"]) / "models.json").write_text("{")
    monkeypatch.setenv("ZOO_PLUGINS", "*")
    monkeypatch.setenv("ZOO_DISABLE_PLUGINS", "zoo-one")
    assert problems() == []
    (row,) = describe(current_index())
    assert (row["state"], row["problem"]) == ("disabled", "ZOO_DISABLE_PLUGINS keeps it out")


def test_a_missing_requirement(site: Site) -> None:
    site.package("zoo_one")
    metadata = "Requires-Dist: zoo-surely-missing[x]>=2\nRequires-Dist: other; extra == 'dev'\n\nRequires-Dist: no\n"
    site.info("zoo-one", "1.0", "[zoo_core.models]\none = zoo_one:one\n", metadata)
    what, remedy = only()
    assert what.endswith("needs zoo-surely-missing[x]>=2, which is not installed")
    assert remedy == "pip install 'zoo-surely-missing[x]>=2'"


@pytest.mark.parametrize(
    ("requirement", "what", "remedy"),
    [
        ("zoo-dep>=2", "needs zoo-dep>=2, and version 1.5 is installed", "pip install 'zoo-dep>=2'"),
        ("zoo-dep<=1.5,>=1", None, None),
        ("zoo-gone; python_version >= '3'", "needs zoo-gone, which is not installed", "pip install 'zoo-gone'"),
        ("zoo-gone; python_version < '3'", None, None),
        ("zoo dep", "needs 'zoo dep', which is no requirement", "tell the authors of zoo-one to run"),
    ],
)
def test_versions_and_conditions_of_requirements(
    site: Site, requirement: str, what: str | None, remedy: str | None
) -> None:
    site.package("zoo_one")
    site.info("zoo-dep", "1.5")
    site.info("zoo-one", "1.0", "[zoo_core.models]\none = zoo_one:one\n", f"Requires-Dist: {requirement}\n")
    if what is None or remedy is None:
        assert problems() == []
    else:
        assert only()[0].endswith(what)
        assert only()[1].startswith(remedy)


class TestMetadata:
    LINES = "[zoo_core.models]\none = zoo_one:models.json\n"

    @pytest.fixture(autouse=True)
    def one(self, site: Site) -> None:
        site.plugin("zoo-one", ["one"])

    def test_two_versions_in_one_directory(self, site: Site) -> None:
        old = site.info("zoo-one", "0.9", self.LINES)
        what, remedy = only()
        assert what == f"zoo-one is there twice, and only {old.parent}/zoo_one-1.0.dist-info is used, not {old}"
        assert remedy == "pip install --force-reinstall zoo-one"

    def test_another_copy_on_the_path(self, site: Site, tmp_path: Path) -> None:
        copy = type(site)(tmp_path / "copy")
        hidden = copy.info("zoo-one", "0.9", self.LINES)
        sys.path.insert(0, str(copy.root))
        hidden, used = f"{site.root}/zoo_one-1.0.dist-info", str(hidden)
        assert only() == (
            f"{hidden} is hidden by {used}, which is earlier on sys.path",
            "uninstall zoo-one from one of the two",
        )

    def test_a_symlinked_copy_is_no_problem(self, site: Site, tmp_path: Path) -> None:
        (tmp_path / "lib64").symlink_to(site.root)
        sys.path.insert(0, str(tmp_path / "lib64"))
        assert problems() == []

    def test_what_an_interrupted_pip_left(self, site: Site) -> None:
        folder = site.info("~oo-one", "0.9", self.LINES)
        assert only() == (f"{folder} was left behind by an interrupted pip", f"delete {folder}")

    def test_damaged_entry_points(self, site: Site) -> None:
        folder = site.info("zoo-two", entry_points=b"[zoo_core.models]\ntwo\n# \xe9\n")
        assert [problem.what for problem in problems()] == [
            f"{folder}/entry_points.txt has a byte that is not UTF-8",
            f"{folder}/entry_points.txt has a line 'two' in [zoo_core.models] that is not 'name = value'",
        ]

    def test_a_stale_egg_info_is_named(self, site: Site, tmp_path: Path) -> None:
        """As an old development installation leaves it in a source tree."""
        source = type(site)(tmp_path / "source")
        stale = source.root / "zoo_one.egg-info"
        stale.mkdir()
        (stale / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: zoo-one\nVersion: 0.9\n")
        (stale / "entry_points.txt").write_text(self.LINES)
        sys.path.append(str(source.root))
        assert only()[1] == f"delete {stale}, which is stale"
        sys.path.insert(0, sys.path.pop())  # now it hides the installation
        refresh()
        assert only()[0].startswith(f"{site.root}/zoo_one-1.0.dist-info is hidden by {stale}")
        assert only()[1] == f"delete {stale}, which is stale"

    def test_the_egg_info_of_an_editable_installation_is_no_problem(self, site: Site, tmp_path: Path) -> None:
        source = type(site)(tmp_path / "source")
        info = source.root / "zoo_one.egg-info"
        info.mkdir()
        (info / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: zoo-one\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[zoo_core.models]\none = zoo_one:models.json\n")
        sys.path.append(str(source.root))
        assert problems() == []

    def test_two_torches_in_one_directory(self, site: Site) -> None:
        for version in ("2.12.0", "2.13.0"):
            site.info("torch", version)
        assert only()[0].startswith(f"torch is there twice, and only {site.root}/torch-2.13.0.dist-info is used")
        assert only()[1] == "pip install --force-reinstall torch"

    def test_what_concerns_others_is_left_alone(self, site: Site) -> None:
        for version in ("1.0", "2.0"):
            site.info("numpy-like", version, "[console_scripts]\nx = y:z\n")
        site.info("~umpy-like", "0.1")
        assert problems() == []


@pytest.mark.parametrize(
    ("version", "names"),
    [
        ("2.5.1+cu124", ["CVE-2025-32434", "CVE-2026-24747"]),
        ("2.6.0", ["CVE-2026-24747"]),
        ("2.9.1", ["CVE-2026-24747"]),
        ("2.10.0", []),
        ("2.13.0+cpu", []),
        ("unknown", []),
    ],
)
def test_a_torch_with_known_holes_is_named(site: Site, version: str, names: list[str]) -> None:
    site.info("torch", version)
    if not names:
        assert problems() == []
        return
    what, remedy = only()
    assert what.startswith(f"torch {version} has known holes: ")
    assert [name for name in ("CVE-2025-32434", "CVE-2026-24747") if name in what] == names
    assert remedy.startswith("pip install 'torch>=2.10'")


def test_plugins_as_json(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.plugin("zoo-one", {"one": ["t"], "two": []}, version="2.5")
    assert main(["plugins", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {
            "distribution": "zoo-one",
            "version": "2.5",
            "group": "zoo_core.models",
            "entry_point": "one",
            "value": "zoo_one:models.json",
            "path": f"{site.root}/zoo_one-2.5.dist-info",
            "state": "ready",
            "problem": None,
            "family": "one",
            "api": 1,
            "architectures": 2,
            "bridge": None,
        }
    ]


def test_no_plugins_at_all(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins"]) == 0
    assert capsys.readouterr().out == "no plugins are installed; try: pip install zoo-resnet\n"
    assert main(["list"]) == 1
    assert capsys.readouterr().err == "zoo: no model matches; `zoo plugins` shows what is installed\n"


def test_list(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.plugin("zoo-one", {"one18": ["t"], "one101": [], "two": ["t", "u"]})

    def listed(*argv: str) -> list[str]:
        assert main(["list", *argv]) == 0
        return capsys.readouterr().out.split()

    assert listed() == ["one18", "one101", "two"]
    assert listed("one*", "--tags") == ["one18.t", "one101"]
    assert listed("--pretrained", "--exclude", "*.u") == ["one18.t", "two.t"]
    assert listed("--families") == ["one"]
    assert listed("--family", "one", "--module", "zoo_one", "t*") == ["two"]
    assert json.loads("".join(listed("--json", "one*"))) == ["one18", "one101"]
