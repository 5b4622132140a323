"""Run the checks, all or some, over one installed plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.errors import OptionError, did_you_mean
from zoo_core.testing.check import CHECKS, Check, Result, run
from zoo_core.testing.subject import Subject

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


def checks(names: Iterable[str] | None = None) -> list[Check]:
    """The checks, in the order in which they run.

    Args:
        names: these alone, and whatever they need.

    Raises:
        OptionError: for a name that no check has, with the nearest one.
    """
    import zoo_core.testing.checks  # noqa: F401 - fills the table

    if names is None:
        return list(CHECKS.values())
    for name in (names := list(names)):
        if name not in CHECKS:
            raise OptionError(f"there is no check {name!r}{did_you_mean(name, CHECKS)}")
    return [CHECKS[name] for name in names]


def run_checks(distribution: str, names: Iterable[str] | None = None, *, also: Sequence[str] = ()) -> Iterator[Result]:
    """Run checks, one after the other.

    Args:
        distribution: an installed plugin, ``"zoo-acme"``.
        names: these checks alone; None for all.
        also: shell patterns of architectures to build and run, beside the sample of small ones.

    Raises:
        PluginError: when no such plugin is installed.
        OptionError: see `checks`.
    """
    subject = Subject(distribution, also=tuple(also))
    for check in checks(names):
        yield run(check, subject)
