"""Tables: whole lines into a pipe, rich on a terminal, and plain there too where rich is not
installed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from zoo_core.cli.output import print_fields, print_table

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


def on_a_terminal(program: str, environment: dict[str, str]) -> str:
    """What a Python program prints on a terminal of 60 columns."""
    pty = pytest.importorskip("pty", reason="no pseudo-terminals on this platform")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=theirs, env={**environment, "COLUMNS": "60", "TERM": "xterm"}
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
