"""The licence of a new plugin: a valid SPDX expression, and its text."""

from __future__ import annotations

import datetime
from importlib.resources import files
from string import Template

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from zoo_core.errors import OptionError


def spdx(expression: str) -> str:
    """Return the expression as SPDX writes it: ``"MIT"`` for ``"mit"``.

    Raises:
        OptionError: if it is no SPDX expression.
    """
    try:
        return str(canonicalize_license_expression(expression))
    except (InvalidLicenseExpression, ValueError) as error:
        raise OptionError(
            f"--license {expression!r} is no SPDX identifier; such are MIT, Apache-2.0 and BSD-3-Clause, "
            "all in https://spdx.org/licenses/"
        ) from error


def text_of(expression: str, distribution: str) -> tuple[str, bool]:
    """Return the text of a licence, and True; or its address, and False, if there is no text."""
    file = files(__package__) / "licences" / f"{expression}.txt"
    if file.is_file():
        year = str(datetime.datetime.now(tz=datetime.UTC).year)
        return Template(file.read_text(encoding="utf-8")).safe_substitute(year=year, distribution=distribution), True
    return f"SPDX-License-Identifier: {expression}\n\nIts text, to be put here: https://spdx.org/licenses/\n", False
