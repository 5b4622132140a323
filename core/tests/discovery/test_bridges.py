"""Plugins whose networks lie in another library: versions, precedence, and what is not there."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from zoo_core import registry
from zoo_core.discovery import doctor
from zoo_core.discovery.bridge import release_of
from zoo_core.errors import AmbiguousModelError, PluginError, UnknownModelError
from zoo_kit.manifest.bridge import bridge_texts

if TYPE_CHECKING:
    from pathlib import Path

    from sites import Site

NEWEST: dict[str, dict[str, Any]] = {
    "architectures": {
        "net18": {"tags": ["a", "b"], "family": "nets"},
        "net34": {"tags": ["a"]},
        "net50": {},
    },
    "aliases": {"old18": "net18", "old50": "net50"},
    "configs": {
        "net18.a": {"hf_hub_id": "lib/net18.a", "crop_pct": 0.9},
        "net18.b": {"url": "https://x/b"},
        "net34.a": {"url": "https://x/34"},
    },
}
MIDDLE: dict[str, dict[str, Any]] = {
    "architectures": {"net18": {"tags": ["a"], "family": "nets"}, "net34": {"tags": ["a"]}},
    "aliases": {"old18": "net18"},
    "configs": {"net18.a": {"hf_hub_id": "lib/net18.a", "crop_pct": 0.8}, "net34.a": {"url": "https://x/34"}},
}
OLDEST: dict[str, dict[str, Any]] = {
    "architectures": {"net9": {}, "net18": {"tags": ["a"], "family": "nets"}},
    "aliases": {},
    "configs": {"net18.a": {"hf_hub_id": "lib/net18.a", "crop_pct": 0.8}},
}
TABLES = {"2.1": NEWEST, "2.0": MIDDLE, "1.5": OLDEST}


def bridge(site: Site, name: str = "zoo-lib", *, yields: tuple[str, ...] = (), **files: str) -> Path:
    package = name.replace("-", "_")
    texts = bridge_texts("lib", "lib>=1.5", "lib_module", TABLES, yields=yields) | files
    site.info(name, entry_points=f"[zoo_core.models]\nlib = {package}:models.json\n")
    return site.package(package, texts)


def library(site: Site, version: str) -> None:
    site.info("lib", version)
    site.package("lib_module", {"__init__.py": "raise SystemExit('the library was imported')"})


def message(name: str, error: type[Exception]) -> str:
    with pytest.raises(error) as caught:
        registry.find_model(name)
    return str(caught.value)


@pytest.mark.parametrize(
    ("installed", "names", "crop"),
    [
        ("2.1", ["net18", "net34", "net50"], 0.9),
        ("3.0.dev0+cpu", ["net18", "net34", "net50"], 0.9),
        ("2.0.7", ["net18", "net34"], 0.8),
        ("2.0", ["net18", "net34"], 0.8),
        ("1.5.1", ["net9", "net18"], 0.8),
    ],
)
def test_the_installed_version_chooses_the_table(site: Site, installed: str, names: list[str], crop: float) -> None:
    bridge(site)
    library(site, installed)
    assert registry.list_models() == names
    cfg = registry.get_pretrained_cfg("net18")
    assert cfg is not None
    assert cfg.crop_pct == crop
    assert cfg.hf_hub_id == "lib/net18.a"
    assert [problem.what for problem in doctor.examine(registry.current_index())] == []


def test_a_constructor_is_the_packages_attribute_unless_said(site: Site) -> None:
    bridge(site)
    library(site, "2.1")
    found = registry.find_model("net18.b")
    assert found.constructor == "zoo_lib:net18"
    assert found.family == "nets"
    assert registry.load_constructor(found)(pretrained=True) == ("net18", True, {})
    assert registry.list_families() == ["lib", "nets"]
    assert registry.list_models("*.b", pretrained=True) == ["net18.b"]


def test_old_names_are_those_of_the_installed_version(site: Site) -> None:
    bridge(site)
    library(site, "2.0")
    with pytest.warns(DeprecationWarning, match="use 'net18.a'"):
        assert registry.find_model("old18").name == "net18.a"
    assert not registry.is_model("old50")


def test_a_model_of_a_newer_version_says_which(site: Site) -> None:
    bridge(site)
    library(site, "1.5")
    assert message("net50", UnknownModelError) == (
        "unknown model 'net50': no installed plugin offers it. "
        "It needs lib>=2.1, and 1.5 is installed: pip install --upgrade 'lib>=2.1'."
    )
    assert "needs lib>=2.0, and 1.5 is installed" in message("zoo-lib/net34", UnknownModelError)
    assert "needs lib>=2.1, and 1.5 is installed" in message("net18.b", UnknownModelError)


@pytest.mark.parametrize("version", [None, "1.4.9"])
def test_a_library_that_is_missing_or_too_old_is_said_before_anything_is_imported(
    site: Site, version: str | None
) -> None:
    package = bridge(site)
    (package / "__init__.py").write_text("raise SystemExit('the bridge was imported')")
    if version:
        library(site, version)
    why = f"and version {version} is installed" if version else "which is not installed"
    assert message("net18", PluginError) == (
        "cannot create 'net18': plugin zoo-lib 1.0 (entry point 'lib' = 'zoo_lib:models.json' in zoo_core.models) "
        f"is incomplete: it needs lib>=1.5, {why}: pip install 'lib>=1.5'"
    )
    (problem,) = doctor.examine(registry.current_index())
    assert problem.remedy == "pip install 'lib>=1.5'"
    (row,) = doctor.describe(registry.current_index())
    assert (row["state"], row["bridge"]["installed"]) == ("incomplete", version)


def test_what_an_uninstall_left_behind_is_no_library(site: Site) -> None:
    bridge(site)
    site.info("lib", "2.1", metadata=None)
    assert "which is not installed" in message("net18", PluginError)


def test_a_bridge_yields_to_a_family(site: Site) -> None:
    bridge(site)
    library(site, "2.1")
    site.plugin("zoo-net", {"net18": ["a", "own"]})
    assert registry.list_models() == ["net18", "net34", "net50"]
    assert registry.list_models(pretrained=True) == ["net18.a", "net18.own", "net34.a"]
    assert registry.find_model("net18").distribution == "zoo-net"
    assert registry.find_model("zoo-lib/net18.b").qualified_name == "zoo-lib/net18.b"
    assert "zoo-lib has it: 'zoo-lib/net18.b'. Its tags: a, own" in message("net18.b", UnknownModelError)
    assert doctor.examine(registry.current_index()) == []


def test_what_yields_is_listed_by_its_qualified_name(site: Site) -> None:
    bridge(site)
    library(site, "2.1")
    site.plugin("zoo-net", {"net18": ["a", "own"]})
    assert registry.list_models("zoo-lib/*") == ["zoo-lib/net18", "zoo-lib/net34", "zoo-lib/net50"]
    assert registry.list_models("*/net18") == ["zoo-lib/net18", "zoo-net/net18"]
    assert registry.list_models(["net18", "zoo-lib/net18"]) == ["net18", "zoo-lib/net18"]
    assert registry.list_models("zoo-lib/net*", pretrained=True, exclude_filters="zoo-lib/*.b") == [
        "zoo-lib/net18.a",
        "zoo-lib/net34.a",
    ]
    assert registry.list_models("zoo-l*") == []


def test_two_families_conflict_beside_a_bridge(site: Site) -> None:
    for name in ("zoo-one", "zoo-two"):
        site.plugin(name, ["net18"])
    bridge(site)
    library(site, "2.1")
    assert message("net18", AmbiguousModelError).endswith("Say which you mean: 'zoo-one/net18' or 'zoo-two/net18'")
    assert registry.list_models("net18") == ["zoo-one/net18", "zoo-two/net18"]


def test_two_bridges_conflict_unless_one_lacks_its_library(site: Site) -> None:
    bridge(site)
    bridge(site, "zoo-rival")
    library(site, "2.1")
    assert "'zoo-lib/net18' or 'zoo-rival/net18'" in message("net18", AmbiguousModelError)
    line = '"bridge": "absent>=1", "module": "absent", "versions": "1", "older": "", "yields": "",'
    first, _, rest = (site.root / "zoo_rival" / "models.json").read_text().split("\n", 2)
    (site.root / "zoo_rival" / "models.json").write_text(f"{first}\n{line}\n{rest}")
    registry.refresh()
    assert registry.find_model("net18").distribution == "zoo-lib"
    assert "needs absent>=1" in message("zoo-rival/net18", PluginError)


@pytest.mark.parametrize("names", [("zoo-a", "zoo-b"), ("zoo-b", "zoo-a")], ids=" then ".join)
def test_a_bridge_yields_to_those_that_its_manifest_names(site: Site, names: tuple[str, str]) -> None:
    first, second = names  # plugins are read in the order of their names
    bridge(site, first)
    bridge(site, second, yields=(first, "zoo-absent"))
    library(site, "2.1")
    assert registry.list_models() == ["net18", "net34", "net50"]
    assert registry.find_model("net18.b").distribution == first
    assert registry.find_model(f"{second}/net18.b").distribution == second
    assert doctor.examine(registry.current_index()) == []
    site.plugin("zoo-net", ["net18"])
    registry.refresh()
    assert [plugin.distribution for plugin in registry.current_index().every("net18")] == ["zoo-net", *names]


def test_a_bridge_without_its_library_yields_to_one_that_yields_to_it(site: Site) -> None:
    texts = bridge_texts("absent", "absent>=1", "absent", {"1": NEWEST})
    bridge(site, "zoo-absent", **texts)
    bridge(site, yields=("zoo-absent",))
    library(site, "2.1")
    assert registry.find_model("net18").distribution == "zoo-lib"


def test_bridges_that_yield_to_each_other_conflict(site: Site) -> None:
    bridge(site, yields=("zoo-rival",))
    bridge(site, "zoo-rival", yields=("zoo-lib",))
    library(site, "2.1")
    assert "'zoo-lib/net18' or 'zoo-rival/net18'" in message("net18", AmbiguousModelError)


def test_a_registered_model_goes_before_a_bridged_one(site: Site, registrations: Any) -> None:
    bridge(site)
    library(site, "2.1")
    registry.register_model(lambda pretrained=False: "mine", name="net50")
    assert registry.find_model("net50").distribution == "local"
    registry.refresh()
    assert registry.find_model("net50").distribution == "local"
    assert registry.find_model("zoo-lib/net50").distribution == "zoo-lib"


def test_zoo_info_and_zoo_plugins_say_it(site: Site) -> None:
    bridge(site)
    library(site, "2.1")
    site.plugin("zoo-net", {"net18": ["a"]})

    def zoo(*words: str) -> str:
        program = "import sys; from zoo_core.cli.main import main; sys.exit(main(sys.argv[1:]))"
        done: subprocess.CompletedProcess[str] = site.run(program, *words, bare=False, ZOO_PLUGINS="zoo-lib,zoo-net")
        return " ".join(done.stdout.split())

    assert "also in zoo-lib/net18" in zoo("info", "net18")
    assert json.loads(zoo("info", "net18", "--json"))["also_in"] == ["zoo-lib/net18"]
    assert "bridge to lib 2.1" in zoo("info", "zoo-lib/net18")
    assert "bridge to lib 2.1" in zoo("plugins")
    assert {
        row["distribution"]: row["bridge"] for row in json.loads(zoo("plugins", "--json")) if row["state"] == "ready"
    } == {
        "zoo-lib": {"requires": "lib>=1.5", "installed": "2.1", "table": "2.1"},
        "zoo-net": None,
    }


LINES = {
    "bridge": ["lib", "lib>=", "lib>=1.x", "lib==1", "a b>=1", "lib>=1;x", "../lib>=1", ""],
    "module": ["", "a-b", "../lib", "lib.", "1"],
    "versions": ["", "1.5 2.1", "2.1 2.1", "2.1 2.1.0", "x", " ".join(map(str, range(200, 0, -1)))],
    "older": ["", "../older.json", "/etc/passwd"],
    "yields": ["../zoo-lib", "zoo-lib, zoo-net", "Zoo_Lib"],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field in LINES for value in LINES[field]])
@pytest.mark.parametrize("as_header", [True, False])
def test_a_hostile_field_is_the_plugins_problem_alone(site: Site, field: str, value: str, as_header: bool) -> None:
    package = bridge(site)
    library(site, "2.1")
    site.plugin("zoo-net", ["net7"])
    first, second, rest = (package / "models.json").read_text().split("\n", 2)
    fields = json.loads("{" + second.rstrip(",") + "}") | {field: value}
    line = ", ".join(f"{json.dumps(key)}: {json.dumps(text)}" for key, text in fields.items())
    text = f"{first}\n{line},\n{rest}"
    (package / "models.json").write_text(text if as_header else json.dumps(json.loads(text)))
    assert "net7" in registry.list_models()
    (plugin,) = (each for each in registry.plugins() if each.distribution == "zoo-lib")
    assert plugin.state == "broken"
    assert field in plugin.problem


OLDER: list[Any] = [
    [],
    {},
    {"2.0": {}},
    {"1.5": {}, "2.0": {}},
    {"2.0": [], "1.5": {}},
    {"2.0": {"surprise": {}}, "1.5": {}},
    {"2.0": {"architectures": {"a b": None}}, "1.5": {}},
    {"2.0": {"architectures": {"net18": 7}}, "1.5": {}},
    {"2.0": {"aliases": {"old": {}}}, "1.5": {}},
    {"2.0": {"configs": {"net18.a": []}}, "1.5": {}},
]


@pytest.mark.parametrize("older", OLDER)
def test_hostile_differences_are_the_plugins_problem_alone(site: Site, older: Any) -> None:
    bridge(site, **{"older.json": json.dumps(older)})
    library(site, "2.0")
    site.plugin("zoo-net", ["net7"])
    assert registry.list_models() == ["net7"]
    assert "older.json" in registry.plugins()[0].problem


def test_a_row_of_an_older_version_is_checked_as_any(site: Site) -> None:
    bridge(
        site, **{"older.json": json.dumps({"2.0": {"architectures": {"net18": {"constructor": "os; x"}}}, "1.5": {}})}
    )
    library(site, "2.0")
    assert "'constructor' of 'net18' in its manifest" in message("net18.a", PluginError)


@pytest.mark.parametrize(
    ("version", "numbers"),
    [("1.0.31", (1, 0, 31)), ("2.0.0+cpu", (2,)), ("1.2rc1", (1, 2)), ("0.28.0a0+git1", (0, 28)), ("", ()), ("x", ())],
)
def test_the_release_of_a_version(version: str, numbers: tuple[int, ...]) -> None:
    assert release_of(version) == numbers
