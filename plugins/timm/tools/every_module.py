"""Run ``tests/test_every_module.py`` of zoo-timm, the cheapest architectures first, and count.

    python plugins/timm/tools/every_module.py every.jsonl  # two hours; goes on where it stopped
    python plugins/timm/tools/every_module.py every.jsonl -k logits  # as pytest's -k takes it

One line of JSON for each test: its name, its outcome, its seconds, and what one that failed said.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import zoo_core as zoo

sys.path.insert(0, str(Path(__file__).parents[3] / "tests"))

from outcomes import Outcomes, read

TESTS = Path(__file__).parents[1] / "tests" / "test_every_module.py"


def main() -> int:
    """Run what the file does not have yet, print the counts, and return 1 for a failed test."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("-k", dest="tests", default="", help="of these names alone")
    args = parser.parse_args()
    file: Path = args.file
    pytest.main(["-q", "-p", "no:cacheprovider", "--tb=short", "-k", args.tests, str(TESTS)], plugins=[Recorder(file)])
    outcomes = read(file).values()
    counts = Counter((line["name"].partition("[")[0], line["outcome"]) for line in outcomes)
    print("\n".join(f"{count:6} {outcome:8} {name}" for (name, outcome), count in sorted(counts.items())))
    return int(any(line["outcome"] == "failed" for line in outcomes))


class Recorder(Outcomes):
    """A plugin of pytest: passes over the tests that a file has, and writes how the others end."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the tests that have not run, the cheapest first."""
        items[:] = sorted((item for item in items if item.name not in self.done), key=cost)


def cost(item: Any) -> int:
    """Return the multiply-adds of a test's architecture, or what comes closest."""
    if not (callspec := getattr(item, "callspec", None)):
        return 0
    known = zoo.describe(f"zoo-timm/{callspec.params['name']}")
    return known.macs or known.parameters or 0


if __name__ == "__main__":
    sys.exit(main())
