"""What commands print: tables and JSON. Through rich on a terminal, as plain aligned columns into a pipe or a file.

A pipe gets no colours, no boxes and no wrapping, so that ``grep`` and ``awk`` see whole lines; nor does a terminal
where rich, the extra ``zoo-core[cli]``, is not installed.
"""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING, Any

from zoo_core.cli.terminal import Guarded, escaped, escaped_json, output

if TYPE_CHECKING:
    from collections.abc import Sequence


def print_json(value: Any) -> None:
    """Indented JSON, alone on standard output; tuples become lists, and numbers that JSON does not know null."""
    text = escaped_json(json.dumps(_finite(value), indent=2, ensure_ascii=False))
    try:
        text.encode(getattr(output(), "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(json.loads(text), indent=2)
    print(text, file=output())


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None = None) -> None:
    """Print rows under their headings; numbers are right-aligned, None is empty."""
    cells = [[_cell(value) for value in row] for row in rows]
    right = [bool(rows) and all(isinstance(row[i], int | float) for row in rows) for i in range(len(columns))]
    title = escaped(title, one_line=True) if title else None
    if not (_is_terminal() and _print_rich(columns, cells, right, title)):
        _print_plain(columns, cells, right, title)


def print_fields(fields: Sequence[tuple[str, object]], *, title: str | None = None) -> None:
    """Print named values, one a line; None and empty values are left out."""
    shown = [(name, value) for name, value in fields if value not in (None, "", (), [], {})]
    print_table(("", ""), shown, title=title)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}"
    return (
        f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else escaped(str(value), one_line=True)
    )


def _is_terminal() -> bool:
    return sys.stdout.isatty()


def _print_rich(columns: Sequence[str], rows: list[list[str]], right: list[bool], title: str | None) -> bool:
    """Print with rich; False where it is not installed."""
    try:
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        return False
    headed = any(columns)
    # A `Text` is printed as it is: model names and paths may hold what rich would read as markup.
    table = Table(title=Text(title) if title else None, title_justify="left", box=SIMPLE_HEAD if headed else None)
    table.show_header = headed
    for name, is_right in zip(columns, right, strict=True):
        table.add_column(name, justify="right" if is_right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, style="bold") if i == 0 else Text(cell) for i, cell in enumerate(row)))
    console = Console()
    with console.capture() as captured:
        console.print(table)
    if isinstance(sys.stdout, Guarded):
        sys.stdout.write_raw(captured.get())
    else:
        print(captured.get(), end="")
    return True


def _print_plain(columns: Sequence[str], rows: list[list[str]], right: list[bool], title: str | None) -> None:
    if title:
        print(title)
    lines = [list(columns), *rows] if any(columns) else rows
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        aligned = (
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(line, widths, right, strict=True)
        )
        print("  ".join(aligned).rstrip())
