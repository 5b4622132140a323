"""A check: its name, why it is there, the remedy; and what came of it."""

from __future__ import annotations

import dataclasses
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo_core.errors import ZooError

from zoo_kit.conformance.exemptions import check_exemptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from zoo_kit.conformance.subject import Subject

Scope = Literal["plugin", "models", "sample", "smallest"]
"""What a check is run for: the plugin as a whole; or, by name, every architecture (on the meta device, so that size
costs nothing), a sample that is built in memory, or the smallest of the sample, for what takes seconds."""

Outcome = Literal["passed", "failed", "skipped", "exempt"]
_SHOWN = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that a conforming plugin does."""

    name: str
    reason: str
    """Why it matters, in one line."""
    remedy: str
    """What to do about a failure, in one line."""
    scope: Scope
    needs: tuple[str, ...]
    """Checks that must have passed for this one to mean anything."""
    find: Callable[..., Iterable[str]]
    """``(subject)``, or ``(subject, architecture)``, to what is wrong."""


@dataclasses.dataclass(frozen=True)
class Result:
    """What came of a check."""

    check: Check
    outcome: Outcome
    problems: tuple[str, ...] = ()
    """What is wrong, or why it was skipped, or is exempt."""

    def text(self) -> str:
        """The check's failure, for people: what is wrong, why it matters, the remedy."""
        shown = [f"  - {problem}" for problem in self.problems[:_SHOWN]]
        if len(self.problems) > _SHOWN:
            shown.append(f"  - and {len(self.problems) - _SHOWN} more")
        check = self.check
        return "\n".join(
            [f"{check.name} {self.outcome}", *shown, f"  why: {check.reason}", f"  remedy: {check.remedy}"]
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data, for programs."""
        check = self.check
        said = {"reason": check.reason, "remedy": check.remedy, "problems": list(self.problems)}
        return {"check": check.name, "outcome": self.outcome, **said}


class NotApplicable(Exception):  # noqa: N818 - no error: there is nothing to look at
    """Raised by a check that has nothing to look at; its text says why."""


CHECKS: dict[str, Check] = {}
"""Every check by name, in the order in which they run; filled by the modules of `zoo_kit.conformance.checks`."""


def check(
    name: str, *, reason: str, remedy: str, scope: Scope = "plugin", needs: tuple[str, ...] = ()
) -> Callable[[Callable[..., Iterable[str]]], Callable[..., Iterable[str]]]:
    """Make a check of a generator of problems."""

    def add(find: Callable[..., Iterable[str]]) -> Callable[..., Iterable[str]]:
        CHECKS[name] = Check(name=name, reason=reason, remedy=remedy, scope=scope, needs=needs, find=find)
        return find

    return add


def run(wanted: Check, subject: Subject) -> Result:
    """Run a check, once for a subject, after those that it needs. Never raises for what the plugin does.

    Raises:
        OptionError: when the plugin is exempt from what is no check, or for no reason.
    """
    check_exemptions(subject.exempt, CHECKS)
    if wanted.name in subject.exempt:
        return Result(wanted, "exempt", (subject.exempt[wanted.name],))
    if wanted.name not in subject.results:
        needed = [run(CHECKS[name], subject) for name in wanted.needs]
        if failed := [result.check.name for result in needed if result.outcome == "failed"]:
            result = Result(wanted, "skipped", (f"needs {' and '.join(failed)}, which failed",))
        elif idle := [result for result in needed if result.outcome == "skipped"]:
            result = Result(wanted, "skipped", idle[0].problems)
        else:
            result = _run(wanted, subject)
        subject.results[wanted.name] = result
    return subject.results[wanted.name]


def _run(wanted: Check, subject: Subject) -> Result:
    problems: list[str] = []
    with warnings.catch_warnings(), subject.undisturbed():
        warnings.simplefilter("ignore")  # torch warns of its own machinery; a check that wants warnings records them
        try:
            if wanted.scope == "plugin":
                problems += _problems(subject, wanted.find, subject)
            elif not subject.models:
                raise NotApplicable("it offers no models")
            else:
                for name in getattr(subject, wanted.scope):
                    problems += (f"{name}: {text}" for text in _problems(subject, wanted.find, subject, name))
        except NotApplicable as reason:
            return Result(wanted, "skipped", (str(reason),))
    return Result(wanted, "failed" if problems else "passed", tuple(problems))


def _problems(subject: Subject, find: Callable[..., Iterable[str]], *arguments: Any) -> Iterator[str]:
    try:
        yield from find(*arguments)
    except NotApplicable:
        raise
    except (Exception, SystemExit) as error:
        yield f"{describe(error)}{_where(error, subject)}"


def describe(error: BaseException) -> str:
    """An error in one line; one of ours needs no name of its type."""
    text = " ".join(str(error).split())
    text = text if len(text) < 400 else f"{text[:400]} ..."
    return text if isinstance(error, ZooError) else f"{type(error).__name__}: {text}"


def _where(error: BaseException, subject: Subject) -> str:
    """The innermost line of the plugin's own that an error came through."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if any(folder in Path(frame.filename).parents for folder in subject.folders):
            return f" ({Path(frame.filename).name}, line {frame.lineno})"
    return ""
