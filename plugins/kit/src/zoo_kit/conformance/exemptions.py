"""The checks that a plugin need not pass: ``[tool.zoo.exempt]`` of its ``pyproject.toml``."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from zoo_core.errors import OptionError, did_you_mean
from zoo_core.names import normalize_distribution

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_LEVELS = 4
"""Folders between a package and its project, at most: ``project/src/namespace/package``."""


def exemptions_near(places: Iterable[Path], distribution: str) -> dict[str, str]:
    """Return the exemptions, check to reason, of a distribution's project.

    The project is looked for above some files or folders. An installed copy has none, as installers
    do not copy ``pyproject.toml``.

    Raises:
        OptionError: if the exemptions are no table.
    """
    for place in places:
        for folder in list(place.parents)[:_LEVELS]:
            project = _read(folder / "pyproject.toml")
            if normalize_distribution(str(project.get("project", {}).get("name", ""))) == distribution:
                found = project.get("tool", {}).get("zoo", {}).get("exempt", {})
                if not isinstance(found, dict):
                    raise OptionError(f"[tool.zoo.exempt] of {folder / 'pyproject.toml'} is no table of reasons")
                return {str(name): reason for name, reason in found.items()}
    return {}


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def check_exemptions(exempt: Mapping[str, str], known: Iterable[str]) -> None:
    """Refuse exemptions that mean nothing.

    Raises:
        OptionError: for a name that no check has, or an exemption without a reason.
    """
    for name, reason in exempt.items():
        if name not in (known := list(known)):
            raise OptionError(f"exempt from {name!r}: there is no such check{did_you_mean(name, known)}")
        if not isinstance(reason, str) or not reason.strip():
            raise OptionError(f"exempt from {name!r} for no reason: give one, {name} = 'why'")
