"""``zoo check``: reports, mistakes, exemptions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    Run = Callable[..., subprocess.CompletedProcess[str]]


def test_the_command_reports(run: Run) -> None:
    done = run(
        "zoo_core.cli", "check", "zoo-broken", "--only", "contract", "--only", "feature-info", "--only", "wrappers"
    )
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "    ok  contract",
        "FAILED  feature-info",
        "        - broken_tiny: map 0 has 128 x 128 of 256 x 256 pixels, and feature_info says reduction 4",
        "        why: detectors and segmenters are built from channels and reductions before anything runs",
        "        remedy: correct num_chs, reduction, module and layout in the network's feature_info, "
        "or its num_prefix_tokens",
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
