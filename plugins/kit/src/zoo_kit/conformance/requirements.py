"""The distributions that a package's files import, read off their text: no code of it runs."""

from __future__ import annotations

import ast
import sys
from functools import cache
from importlib.metadata import packages_distributions, version
from typing import TYPE_CHECKING

from packaging.version import Version
from zoo_core.names import normalize_distribution

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROVIDED = {"torch", "zoo-core"}
"""Distributions that every plugin requires."""


def imported(text: str) -> set[str]:
    """Return the top-level packages that a file needs.

    It leaves out the standard library, imports for type checkers alone, and imports with an
    ``except ImportError``.

    Raises:
        SyntaxError: if the text is not Python.
    """
    names = set(_names(ast.parse(text)))
    return {name for name in names if name not in sys.stdlib_module_names and name != "__future__"}


def _names(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            if child.module and not child.level:
                yield child.module.partition(".")[0]
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            for other in child.orelse:
                yield from _names(ast.Module([other], []))
        elif isinstance(child, ast.Try) and any(_is_import_error(handler) for handler in child.handlers):
            for other in (*child.orelse, *child.finalbody):
                yield from _names(ast.Module([other], []))
        else:
            yield from _names(child)


def _is_import_error(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or any(
        name in ast.dump(handler.type) for name in ("'ImportError'", "'ModuleNotFoundError'", "'Exception'")
    )


def distributions_of(package: str) -> list[str]:
    """Return the installed distributions that hold a top-level package, by normalised name."""
    providers = _providers(tuple(sys.path)).get(package, ())
    return sorted({normalize_distribution(name) for name in providers})


@cache
def _providers(path: tuple[str, ...]) -> Mapping[str, list[str]]:
    return packages_distributions()


def requirement_of(package: str) -> str | None:
    """Return the dependency that a top-level package needs, such as ``einops>=0.8``.

    None for a package that every plugin requires, and for one of no installed distribution.
    """
    holders = distributions_of(package)
    if not holders or PROVIDED & set(holders):
        return None
    return f"{holders[0]}>={'.'.join(map(str, Version(version(holders[0])).release[:2]))}"
