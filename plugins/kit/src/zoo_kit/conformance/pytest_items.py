"""One pytest item per check, for ``pytest --zoo-plugin``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from zoo_core.errors import ZooError

from zoo_kit.conformance.check import Check, run
from zoo_kit.conformance.run import checks
from zoo_kit.conformance.subject import Subject

if TYPE_CHECKING:
    from collections.abc import Iterator


class Collection:
    """Adds the checks to whatever pytest collects."""

    def pytest_configure(self, config: pytest.Config) -> None:
        """Collect nothing else, unless the user named it: not the folder that pytest happens to be called in."""
        if config.args_source is not pytest.Config.ArgsSource.ARGS:
            config.args[:] = []

    def pytest_collection_modifyitems(
        self, session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Put the checks of every plugin that was named before the tests."""
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
        """One item per check; they share what they work out."""
        subject = Subject(self.name)
        for check in checks():
            yield CheckItem.from_parent(self, name=check.name, check=check, subject=subject)


class CheckItem(pytest.Item):
    """One check of one plugin."""

    def __init__(self, *, check: Check, subject: Subject, **options: Any) -> None:
        super().__init__(**options)
        self.check, self.subject = check, subject

    def runtest(self) -> None:
        """Run it, and let pytest show its text without a traceback."""
        report(self.check, self.subject)

    def reportinfo(self) -> tuple[str, None, str]:
        """How pytest's reports call it."""
        return self.subject.distribution, None, f"{self.subject.distribution}: {self.check.name}"


def report(check: Check, subject: Subject) -> None:
    """Run a check and end as a test does: failed and skipped with the check's text."""
    result = run(check, subject)
    if result.outcome == "failed":
        pytest.fail(result.text(), pytrace=False)
    elif result.outcome != "passed":
        pytest.skip(f"exempt: {result.problems[0]}" if result.outcome == "exempt" else result.problems[0])
