"""Run the checks, all or some, over one installed plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.errors import OptionError, did_you_mean

from zoo_kit.conformance.check import CHECKS, Check, Result, run
from zoo_kit.conformance.subject import Subject

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


def checks(names: Iterable[str] | None = None) -> list[Check]:
    """The checks, in the order in which they run.

    Args:
        names: these alone, and whatever they need.

    Raises:
        OptionError: for a name that no check has, with the nearest one.
    """
    import zoo_kit.conformance.checks  # noqa: F401 - fills the table

    if names is None:
        return _in_order()
    for name in (names := list(names)):
        if name not in CHECKS:
            raise OptionError(f"there is no check {name!r}{did_you_mean(name, CHECKS)}")
    return [CHECKS[name] for name in names]


def _in_order() -> list[Check]:
    """Every check after those that it needs: others' failures often follow from theirs."""
    ordered: dict[str, Check] = {}

    def add(check: Check) -> None:
        for name in check.needs:
            add(CHECKS[name])
        ordered.setdefault(check.name, check)

    for check in CHECKS.values():
        add(check)
    return list(ordered.values())


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
        exempt: check to the reason why the plugin need not pass it, beyond those of its ``pyproject.toml``.

    Raises:
        PluginError: when no such plugin is installed.
        OptionError: see `checks`.
    """
    subject = Subject(distribution, also=tuple(also), exempt=exempt)
    for check in checks(names):
        yield run(check, subject)
