"""Run the checks, all or some, over one installed plugin."""

from __future__ import annotations

import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.errors import OptionError, did_you_mean

from zoo_kit.conformance.check import Check, NotApplicable, Result, describe
from zoo_kit.conformance.checks import CHECKS
from zoo_kit.conformance.exemptions import check_exemptions
from zoo_kit.conformance.subject import Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence


def checks(names: Iterable[str] | None = None) -> list[Check]:
    """Return the checks, in the order in which they run.

    Args:
        names: some checks; None for all.

    Raises:
        OptionError: for a name that no check has, with the nearest one.
    """
    if names is None:
        return _in_order()
    for name in (names := list(names)):
        if name not in CHECKS:
            raise OptionError(f"there is no check {name!r}{did_you_mean(name, CHECKS)}")
    return [CHECKS[name] for name in names]


def run_checks(
    distribution: str,
    names: Iterable[str] | None = None,
    *,
    also: Sequence[str] = (),
    exempt: Mapping[str, str] | None = None,
) -> Iterator[Result]:
    """Run checks, one after the other.

    Args:
        distribution: an installed plugin, ``"zoo-acme"``.
        names: these checks alone; None for all.
        also: shell patterns of architectures to build and run, beside the sample of small ones.
        exempt: checks that the plugin need not pass, with the reason of each; those of its
            ``pyproject.toml`` count too.

    Raises:
        PluginError: if no such plugin is installed.
        OptionError: for a name that no check has, or an exemption without a reason.
    """
    run = Run(Subject(distribution, also=tuple(also), exempt=exempt))
    for check in checks(names):
        yield run.result(check)


class Run:
    """The checks of one subject. Each runs once, after the checks that it needs."""

    def __init__(self, subject: Subject) -> None:
        """Start with no results.

        Raises:
            OptionError: if the subject is exempt from a check that does not exist, or for no
                reason.
        """
        check_exemptions(subject.exempt, CHECKS)
        self.subject = subject
        self._results: dict[str, Result] = {}

    def result(self, check: Check) -> Result:
        """Run a check, or return its result if it has run. Never raises an error of the plugin."""
        if check.name not in self._results:
            self._results[check.name] = self._run(check)
        return self._results[check.name]

    def _run(self, check: Check) -> Result:
        if check.name in self.subject.exempt:
            return Result(check, "exempt", (self.subject.exempt[check.name],))
        needed = [self.result(CHECKS[name]) for name in check.needs]
        if failed := [result.check.name for result in needed if result.outcome == "failed"]:
            return Result(check, "skipped", (f"needs {' and '.join(failed)}, which failed",))
        if idle := [result for result in needed if result.outcome == "skipped"]:
            return Result(check, "skipped", idle[0].problems)
        with warnings.catch_warnings(), self.subject.undisturbed():
            warnings.simplefilter(
                "ignore"
            )  # torch warns of its own machinery; a check that wants warnings records them
            try:
                problems = tuple(self._problems(check))
            except NotApplicable as reason:
                return Result(check, "skipped", (str(reason),))
        return Result(check, "failed" if problems else "passed", problems)

    def _problems(self, check: Check) -> Iterator[str]:
        if check.scope == "plugin":
            yield from self._found(check.find, self.subject)
        elif not self.subject.models:
            raise NotApplicable(self.subject.why_no_models)
        else:
            for name in getattr(self.subject, check.scope):
                yield from (f"{name}: {text}" for text in self._found(check.find, self.subject, name))

    def _found(self, find: Callable[..., Iterable[str]], *arguments: Any) -> Iterator[str]:
        try:
            yield from find(*arguments)
        except NotApplicable:
            raise
        except (Exception, SystemExit) as error:
            yield f"{describe(error)}{self._where(error)}"

    def _where(self, error: BaseException) -> str:
        """Return the innermost line of the plugin's own code that an error came through."""
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            if any(folder in Path(frame.filename).parents for folder in self.subject.folders):
                return f" ({Path(frame.filename).name}, line {frame.lineno})"
        return ""


def _in_order() -> list[Check]:
    """Return every check after those that it needs, as its failure often follows from theirs."""
    ordered: dict[str, Check] = {}

    def add(check: Check) -> None:
        for name in check.needs:
            add(CHECKS[name])
        ordered.setdefault(check.name, check)

    for check in CHECKS.values():
        add(check)
    return list(ordered.values())
