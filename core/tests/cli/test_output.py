"""Tables: whole lines into a pipe, rich on a terminal, and plain there too where rich is not
installed."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys

import pytest
from zoo_core.cli.output import print_fields, print_table, watched

LONG = "a_very_long_name_" * 10


def test_a_pipe_gets_aligned_columns_and_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "parameters", "note"), [(LONG, 1234567, None), ("b", 5, "[x]")], title="models")
    title, heading, first, second = capsys.readouterr().out.splitlines()
    assert title == "models"
    assert heading.split() == ["name", "parameters", "note"]
    assert first == f"{LONG}   1,234,567"
    assert second.split() == ["b", "5", "[x]"]
    assert first.endswith("7")
    assert second.index("5") == len(first) - 1  # numbers are right-aligned


def test_fields_without_a_value_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_fields([("tag", "digits"), ("paper", None), ("notes", ()), ("classes", 0)])
    assert capsys.readouterr().out == "tag      digits\nclasses  0\n"


def on_a_terminal(program: str, environment: dict[str, str], columns: int = 60) -> str:
    """What a Python program prints on a terminal."""
    pty = pytest.importorskip("pty", reason="no pseudo-terminals on this platform")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=theirs, env={**environment, "COLUMNS": str(columns), "TERM": "xterm"}
    )
    os.close(theirs)
    printed = b""
    try:
        while chunk := os.read(ours, 4096):
            printed += chunk
    except OSError:
        pass  # Linux's way to say that the other end is closed.
    finally:
        os.close(ours)
    assert process.wait() == 0
    return printed.decode()


PROGRAM = (
    "from zoo_core.cli.output import print_table; print_table(('name', 'n'), [('[red]x', 1), ('" + LONG + "', 2)])"
)


def test_a_terminal_gets_a_table_that_fits_it(environment: dict[str, str]) -> None:
    pytest.importorskip("rich")
    printed = on_a_terminal(PROGRAM, environment)
    assert "─" in printed
    assert "\x1b[1m" in printed
    assert "[red]x" in printed  # a name is never read as markup


def test_a_terminal_without_rich_gets_plain_columns(environment: dict[str, str]) -> None:
    printed = on_a_terminal("import sys; sys.modules['rich'] = sys.modules['rich.box'] = None\n" + PROGRAM, environment)
    assert "\x1b" not in printed
    assert f"{LONG}  2" in printed


ROWS = [("resnet50d.ra4_e3600_r224_in1k", "25.6M", "4.33G", "81.84", "apache-2.0 " * 9), ("b", "1M", "", "7", "mit")]
NARROW = (
    "from zoo_core.cli.output import print_table\n"
    f"print_table(('name', 'params', 'macs', 'top-1', 'note'), {ROWS}, drop=('macs', 'params', 'top-1'))"
)


@pytest.mark.parametrize("hidden", ["", "import sys; sys.modules['rich'] = sys.modules['rich.box'] = None\n"])
@pytest.mark.parametrize(
    ("columns", "shown", "left_out"),
    [
        (80, ["params", "macs", "top-1"], ""),
        (62, ["params", "top-1"], "macs"),
        (54, ["top-1"], "params, macs"),
        (40, [], "params, macs, top-1"),
    ],
)
def test_a_narrow_terminal_goes_without_what_matters_least(
    environment: dict[str, str], hidden: str, columns: int, shown: list[str], left_out: str
) -> None:
    printed = re.sub(r"\x1b\[[0-9;]*m", "", on_a_terminal(hidden + NARROW, environment, columns))
    heading = next(line for line in printed.splitlines() if line.startswith("name"))
    assert heading.split() == ["name", *shown, "note"]
    assert ROWS[0][0] in printed
    assert ("A wider terminal shows" in printed) == bool(left_out)
    if left_out:
        assert f"A wider terminal shows {left_out} too." in printed
    if not hidden:
        assert max(map(len, printed.splitlines())) <= max(columns, len(ROWS[0][0]) + 18)


def test_names_wider_than_the_terminal_stay_whole(environment: dict[str, str]) -> None:
    assert LONG in on_a_terminal(PROGRAM, environment, 40)


@pytest.mark.parametrize(("terminal", "shown", "bar"), [(True, True, True), (True, False, False), (False, True, False)])
def test_what_takes_long_has_a_bar_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, shown: bool, bar: bool
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    monkeypatch.setattr("sys.stderr", stream)
    assert list(watched(["a", "b"], "verify", shown=shown)) == ["a", "b"]
    assert ("verify:   0%" in stream.getvalue()) is bar
