"""The output of commands: JSON, and tables, which rich draws on a terminal.

Pipes and files get plain aligned columns without colours, boxes or wrapping, so that ``grep`` and
``awk`` see whole lines; so does a terminal without rich, of the extra ``zoo-core[cli]``.
"""

from __future__ import annotations

import json
import math
import sys
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, TypeVar

from zoo_core.cli.terminal import Guarded, escaped, escaped_json, output

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_T = TypeVar("_T")


def print_json(value: Any) -> None:
    """Print indented JSON, alone on standard output; NaN and infinities become null."""
    text = escaped_json(json.dumps(_finite(value), indent=2, ensure_ascii=False))
    try:
        text.encode(getattr(output(), "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(json.loads(text), indent=2)
    print(text, file=output())


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None = None, drop: Sequence[str] = ()
) -> None:
    """Print rows under their headings: numbers right-aligned, None empty.

    On a terminal the first column, which has the names, never wraps, so that a name can be copied.
    `drop` has the columns that a narrow one goes without, the least important first.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    right = [bool(rows) and all(isinstance(row[i], int | float) for row in rows) for i in range(len(columns))]
    title = escaped(title, one_line=True) if title else None
    if not sys.stdout.isatty():
        _print_plain(columns, cells, right, title)
        return
    room = get_terminal_size().columns
    kept = _columns_that_fit(columns, cells, drop, room)
    shown, right = [columns[i] for i in kept], [right[i] for i in kept]
    cells = [[row[i] for i in kept] for row in cells]
    widths = _least_widths(shown, cells, whole={0}).values()
    if not _print_rich(shown, cells, right, title, max(room, sum(widths) + _GAP * (len(shown) - 1))):
        _print_plain(shown, cells, right, title)
    if left_out := [name for name in columns if name not in shown]:
        print(f"A wider terminal shows {', '.join(left_out)} too.")


def print_fields(fields: Sequence[tuple[str, object]], *, title: str | None = None) -> None:
    """Print named values, one per line, without None and empty values."""
    shown = [(name, value) for name, value in fields if value not in (None, "", (), [], {})]
    print_table(("", ""), shown, title=title)


def watched(items: Sequence[_T], what: str, *, shown: bool = True) -> Iterator[_T]:
    """Yield items under a bar on stderr, where that is a terminal and it is to be `shown`."""
    from tqdm import tqdm

    yield from tqdm(items, desc=what, disable=None if shown else True, leave=False, dynamic_ncols=True)


def format_bytes(count: float) -> str:
    """Bytes in the unit that keeps the number short: ``"102.4 MB"``."""
    units = ["B", "KB", "MB", "GB", "TB"]
    while count >= 1000 and len(units) > 1:
        count, units = count / 1000, units[1:]
    return f"{count:.0f} B" if units[0] == "B" else f"{count:.1f} {units[0]}"


_GAP = 2
"""Between two columns."""
_FOLDED = 16
"""The width to which a column may be wrapped that is not to be dropped."""


def _columns_that_fit(columns: Sequence[str], rows: list[list[str]], drop: Sequence[str], room: int) -> list[int]:
    """The indices of the columns to show; what stays may need more than the room."""
    widths = _least_widths(columns, rows, whole={0, *map(columns.index, drop)})
    for name in drop:
        if sum(widths.values()) + _GAP * (len(widths) - 1) <= room:
            break
        del widths[columns.index(name)]
    return list(widths)


def _least_widths(columns: Sequence[str], rows: list[list[str]], whole: set[int]) -> dict[int, int]:
    """Index to width of each column: of `whole` ones their own, of others what wrapping leaves."""
    widths = {i: max([len(name), *(len(row[i]) for row in rows)]) for i, name in enumerate(columns)}
    return {i: width if i in whole else min(width, _FOLDED) for i, width in widths.items()}


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
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return escaped(str(value), one_line=True)


def _print_rich(
    columns: Sequence[str], rows: list[list[str]], right: list[bool], title: str | None, width: int
) -> bool:
    """Print with rich. Returns False if it is not installed."""
    try:
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        return False
    headed = any(columns)
    # A `Text` is printed as it is: rich would read brackets in names and paths as markup.
    table = Table(title=Text(title) if title else None, title_justify="left", box=SIMPLE_HEAD if headed else None)
    table.show_header, table.show_edge, table.pad_edge, table.collapse_padding = headed, False, False, headed
    for i, (name, is_right) in enumerate(zip(columns, right, strict=True)):
        table.add_column(name, justify="right" if is_right else "left", overflow="fold", no_wrap=i == 0)
    for row in rows:
        table.add_row(*(Text(cell, style="bold") if i == 0 else Text(cell) for i, cell in enumerate(row)))
    console = Console(width=width)
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
