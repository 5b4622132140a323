"""How tests ended, in a file that a run of hours goes on with: one line of JSON for each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def read(file: Path) -> dict[str, dict[str, Any]]:
    """Return the outcomes of earlier runs by the tests' names."""
    lines = map(json.loads, file.read_text().splitlines()) if file.is_file() else ()
    return {line["name"]: line for line in lines}


class Outcomes:
    """A plugin of pytest that writes how each test ends.

    Args:
        file: where a line is added for each.
        skipped: the word for a test that is skipped.
    """

    def __init__(self, file: Path, skipped: str = "skipped") -> None:
        self.file, self.done, self.skipped = file, read(file), skipped

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write a test's outcome, of the call or of the setup that kept it from being called."""
        if report.when == "teardown" or (report.when == "setup" and report.passed):
            return
        said = "" if report.passed else str(getattr(report.longrepr, "reprcrash", report.longrepr))[:600]
        name = report.nodeid.partition("::")[2]
        outcome = self.skipped if report.skipped else report.outcome
        line = {"name": name, "outcome": outcome, "seconds": round(report.duration, 2), "said": said}
        with self.file.open("a") as file:
            file.write(json.dumps(line) + "\n")
