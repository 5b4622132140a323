"""One pytest item per check, for ``pytest --zoo-plugin``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from zoo_core.errors import ZooError

from zoo_kit.conformance.run import Run, checks
from zoo_kit.conformance.subject import Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo_kit.conformance.check import Check


class Collection:
    """Adds the checks to the tests that pytest collects."""

    def pytest_configure(self, config: pytest.Config) -> None:
        """Collect no tests of the working directory: nothing else, unless the user named a path."""
        if config.args_source is not pytest.Config.ArgsSource.ARGS:
            config.args[:] = []

    def pytest_collection_modifyitems(
        self, session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Put the checks of every named plugin before the tests."""
        found: list[pytest.Item] = []
        for distribution in config.getoption("--zoo-plugin"):
            try:
                found += Conformance.from_parent(session, name=distribution, nodeid=distribution).collect()
            except ZooError as error:
                raise pytest.UsageError(f"--zoo-plugin: {error}") from error
        items[:0] = found


class Conformance(pytest.Collector):
    """The checks of one plugin."""

    def collect(self) -> Iterator[CheckItem]:
        """Yield one item per check. They share one run."""
        run = Run(Subject(self.name))
        for check in checks():
            yield CheckItem.from_parent(self, name=check.name, check=check, run=run)


class CheckItem(pytest.Item):
    """One check of one plugin."""

    def __init__(self, *, check: Check, run: Run, **options: Any) -> None:
        super().__init__(**options)
        self.check, self.run = check, run

    def runtest(self) -> None:
        """Run the check. pytest shows its text without a traceback."""
        report(self.check, self.run)

    def reportinfo(self) -> tuple[str, None, str]:
        """Return the name of the item in pytest's reports."""
        distribution = self.run.subject.distribution
        return distribution, None, f"{distribution}: {self.check.name}"


def report(check: Check, run: Run) -> None:
    """Run a check, and let pytest report a failure or a skipped check with the check's text."""
    result = run.result(check)
    if result.outcome == "failed":
        pytest.fail(result.text(), pytrace=False)
    elif result.outcome != "passed":
        pytest.skip(f"exempt: {result.problems[0]}" if result.outcome == "exempt" else result.problems[0])
