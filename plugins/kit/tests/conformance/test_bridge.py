"""The kit over a bridge: its tables are checked, its networks are left to its own tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from zoo_core.cli.main import main
from zoo_kit.conformance.run import run_checks
from zoo_kit.manifest.bridge import bridge_texts

if TYPE_CHECKING:
    from sites import Site

TABLE: dict[str, Any] = {
    "architectures": {"net18": {"tags": ["a"]}},
    "aliases": {"old18": "net18"},
    "configs": {"net18.a": {"url": "https://x/18"}},
}
WHY = "its networks are those of lib, with which its own tests compare them"


@pytest.fixture
def bridge(site: Site) -> Site:
    write(site, TABLE)
    site.info("zoo-lib", entry_points="[zoo_core.models]\nlib = zoo_lib:models.json\n")
    site.info("lib", "1.0")
    return site


def write(site: Site, table: dict[str, Any], **more: Any) -> None:
    site.package("zoo_lib", bridge_texts("lib", "lib>=1", "lib", {"1.0": table}, **more))


def outcomes(*names: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {result.check.name: (result.outcome, result.problems) for result in run_checks("zoo-lib", names)}


@pytest.mark.usefixtures("bridge")
def test_networks_are_left_to_the_bridges_own_tests() -> None:
    assert outcomes(
        "installation", "listing", "manifest", "old-names", "constructors", "feature-maps", "global-state"
    ) == {
        "installation": ("passed", ()),
        "listing": ("passed", ()),
        "manifest": ("skipped", ("a script of its own writes a bridge's tables, which its own tests compare",)),
        "old-names": ("passed", ()),
        "constructors": ("skipped", (WHY,)),
        "feature-maps": ("skipped", (WHY,)),
        "global-state": ("skipped", (WHY,)),
    }


def test_a_fault_of_its_tables_is_found_all_the_same(bridge: Site) -> None:
    write(bridge, {**TABLE, "configs": {"net18.a": {"crop_pct": -1}}}, facts={"net18": {"parameters": "many"}})
    ((outcome, problems),) = outcomes("installation").values()
    assert outcome == "failed"
    assert "has a broken default config 'net18.a'" in problems[0]
    assert "has broken facts of 'net18'" in problems[1]
    assert problems[1].endswith("(tell the authors of zoo-lib to write its tables anew, or upgrade it)")


@pytest.mark.usefixtures("bridge")
def test_zoo_manifest_says_what_writes_a_bridges_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["manifest", "zoo_lib"]) == 2
    assert capsys.readouterr().err.strip() == (
        "zoo: error: 'zoo_lib' is a bridge to lib, whose tables `zoo manifest` cannot ask for: "
        "run the plugin's own script, which calls zoo_kit.manifest.bridge.bridge_texts"
    )
