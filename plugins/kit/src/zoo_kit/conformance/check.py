"""The data of checks: `Check`, the decorator that makes one, the table of all, and `Result`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

from zoo_core.errors import ZooError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Scope = Literal["plugin", "models", "sample", "smallest"]
"""The things that a check runs for, one call each.

"plugin": the plugin as a whole. "models": every architecture, on the meta device, where size costs
nothing. "sample": the small architectures, built in memory. "smallest": the smallest of the sample,
for what takes seconds.
"""

Outcome = Literal["passed", "failed", "skipped", "exempt"]
_SHOWN = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that a conforming plugin does."""

    name: str
    reason: str
    """The reason for the check, in one line."""
    remedy: str
    """The way to mend a failure, in one line."""
    scope: Scope
    needs: tuple[str, ...]
    """Checks that must have passed, or this one says nothing."""
    find: Callable[..., Iterable[str]]
    """Yield the problems of ``(subject)``, or of ``(subject, architecture)``."""


@dataclasses.dataclass(frozen=True)
class Result:
    """The outcome of a check."""

    check: Check
    outcome: Outcome
    problems: tuple[str, ...] = ()
    """The faults; or the reason why the check was skipped, or the plugin is exempt."""

    def text(self) -> str:
        """Return the failure as text for people: the problems, the reason, the remedy."""
        shown = [f"  - {problem}" for problem in self.problems[:_SHOWN]]
        if len(self.problems) > _SHOWN:
            shown.append(f"  - and {len(self.problems) - _SHOWN} more")
        check = self.check
        lines = [f"{check.name} {self.outcome}", *shown, f"  why: {check.reason}", f"  remedy: {check.remedy}"]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain data, for programs."""
        check = self.check
        return {
            "check": check.name,
            "outcome": self.outcome,
            "reason": check.reason,
            "remedy": check.remedy,
            "problems": list(self.problems),
        }


class NotApplicable(Exception):  # noqa: N818 - no error: the check has nothing to look at
    """Raised by a check that has nothing to look at. Its text is the reason."""


CHECKS: dict[str, Check] = {}
"""Every check by name. The modules of `zoo_kit.conformance.checks` fill it."""


def check(
    name: str, *, reason: str, remedy: str, scope: Scope = "plugin", needs: tuple[str, ...] = ()
) -> Callable[[Callable[..., Iterable[str]]], Callable[..., Iterable[str]]]:
    """Make a check of a generator of problems."""

    def add(find: Callable[..., Iterable[str]]) -> Callable[..., Iterable[str]]:
        CHECKS[name] = Check(name=name, reason=reason, remedy=remedy, scope=scope, needs=needs, find=find)
        return find

    return add


def describe(error: BaseException) -> str:
    """Return an error as one line. An error that is not Zoo's begins with the name of its type."""
    text = " ".join(str(error).split())
    text = text if len(text) < 400 else f"{text[:400]} ..."
    return text if isinstance(error, ZooError) else f"{type(error).__name__}: {text}"
