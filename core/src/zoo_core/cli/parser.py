"""The argument parser of ``zoo``: one line for a mistake, examples in the help, shared options."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from functools import partial

from zoo_core.config_fields import MAX_SIDE, shortened
from zoo_core.errors import ZooError, did_you_mean, said

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, NoReturn

MISTAKE = 2
"""The exit code for an error that the user can correct."""
_LONGEST = 4000


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help that wraps paragraphs, and leaves lines of examples as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" in text:
            return super()._fill_text(text, width, indent)
        return argparse.HelpFormatter._fill_text(self, text, width, indent)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one ``zoo: error:`` line with the nearest valid word."""

    def __init__(self, **options: Any) -> None:
        formatter = partial(_Help, max_help_position=28, width=_columns() - 2)
        options.setdefault("formatter_class", formatter)
        # An abbreviation that works today would be ambiguous after a new option.
        super().__init__(**{**options, "allow_abbrev": False})

    def parse_known_args(self, args: Iterable[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse as argparse does, but refuse unknown words, with this parser's nearest option."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            word = unknown[0].partition("=")[0]
            options = [option for action in self._actions for option in action.option_strings]
            problem = f"has no option {word!r}" if word.startswith("-") else f"takes no further argument {word!r}"
            hint = did_you_mean(word, options) if word.startswith("-") else ""
            self.error(f"{self.prog} {problem}{hint or f'; see {self.prog} --help'}")
        return parsed, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        if action.dest == "command":
            from zoo_core.cli.plugin_commands import missing_tool

            if hint := missing_tool(value):
                self.error(hint)
        what = "command" if action.dest == "command" else "/".join(action.option_strings) or action.dest
        choices = [str(choice) for choice in action.choices]
        there_are = f"; there are {', '.join(choices)}"
        self.error(f"unknown {what} {value!r}{did_you_mean(str(value), choices) or there_are}")

    def _print_message(self, message: str, file: Any = None) -> None:
        # argparse's own ignores an error of the file, such as a full disk.
        (sys.stderr if file is None else file).write(message)

    def error(self, message: str) -> NoReturn:
        """Print one line and exit."""
        print_error(message)
        sys.exit(MISTAKE)


@contextlib.contextmanager
def untranslated() -> Iterator[None]:
    """A context in which parsers are built without a search for translations of argparse's words.

    Python has none, and to look for some took a thirtieth of `zoo list`.
    """
    translate = argparse._  # type: ignore[attr-defined] # gettext's, which no stub knows
    argparse._ = lambda message: message  # type: ignore[attr-defined] # as above
    try:
        yield
    finally:
        argparse._ = translate  # type: ignore[attr-defined] # as above


def add_command(subparsers: Any, name: str, module: Any) -> None:
    """Add a command's parser; it stores the command's module in its arguments."""
    module.add_parser(subparsers)
    subparsers.choices[name].set_defaults(command_module=module)


def print_error(message: object, kind: str = "error") -> None:
    """Print one ``zoo: error:`` line on stderr, shortened if it is very long."""
    text = " ".join(str(message).split())
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} [...] {text[-_LONGEST // 4 :]}"
    print(f"zoo: {kind}: {text}", file=sys.stderr)


print_warning = partial(print_error, kind="warning")


@contextlib.contextmanager
def foreign_code(what: str) -> Iterator[None]:
    """Turn any error or exit of a network's own code into one line that begins with `what`.

    Raises:
        ZooError: in place of it.
    """
    try:
        yield
    except (ZooError, MemoryError, BrokenPipeError):
        raise
    except SystemExit as error:
        raise ZooError(f"{what}: it called exit({error.code!r})") from error
    except Exception as error:
        raise ZooError(f"{what}: {said(error)}") from error


def examples(*lines: str) -> str:
    """The epilogue of a command's help."""
    return "\n".join(["examples:", *(f"  {line}" for line in lines)])


def add_model_argument(parser: argparse.ArgumentParser, dest: str = "name", **options: Any) -> None:
    """Add the argument NAME, a model's name, which shells complete."""
    action = parser.add_argument(dest, metavar="NAME", **options)
    action.completer = _model_names  # type: ignore[attr-defined] # read by argcomplete


def _model_names(prefix: str, **_: object) -> list[str]:
    from zoo_core.registry import list_models

    return list_models(f"{prefix}*", include_tags="." in prefix)


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--json``."""
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def add_input_size_option(parser: argparse.ArgumentParser, meaning: str = "") -> None:
    """Add ``--input-size``: (height, width) in pixels, or None for the weights' own size.

    `meaning` begins its help if it does more than set the size.
    """
    parser.add_argument(
        "--input-size",
        type=parse_size,
        metavar="SIZE",
        help=f"{meaning}pixels, 320 or 320x480 (height x width); default: the config's",
    )


def positive(text: str) -> int:
    """Parse a whole number from 1 up."""
    if not _is_whole(text, 10**9):
        raise argparse.ArgumentTypeError(f"{shortened(text)} is no whole number from 1 up")
    return int(text)


def count(text: str) -> float:
    """Parse a count with or without a unit: ``"30M"``, ``"4.1G"``, ``"250000"``."""
    units = {"k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9, "t": 1e12}
    digits, unit = (text[:-1], units[text[-1].lower()]) if text[-1:].lower() in units else (text, 1)
    number = _decimal(digits)
    if number is None or number <= 0:
        raise argparse.ArgumentTypeError(f"{shortened(text)} is no count such as 250000, 30M or 4.1G")
    return number * unit


def percent(text: str) -> float:
    """Parse a number from 0 to 100."""
    number = _decimal(text.removesuffix("%"))
    if number is None or number > 100:
        raise argparse.ArgumentTypeError(f"{shortened(text)} is no percentage, a number from 0 to 100")
    return number


def parse_size(text: str) -> tuple[int, int]:
    """Parse ``"320"`` or ``"320x480"`` to (height, width)."""
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(_is_whole(side, MAX_SIDE) for side in sides):
        raise argparse.ArgumentTypeError(
            f"{shortened(text)} is no size: expected pixels such as 320, or 320x480 (height x width)"
        )
    return int(sides[0]), int(sides[-1])


def _decimal(text: str) -> float | None:
    """A number of few digits, with or without a fraction; None for other text."""
    plain = text.replace(".", "", 1)
    return float(text) if plain.isascii() and plain.isdigit() and len(text) <= 20 else None


def _columns() -> int:
    """The width of the terminal, as shutil finds it, whose import takes a third of a start."""
    columns = os.environ.get("COLUMNS", "")
    if _is_whole(columns, 10**4):
        return int(columns)
    try:
        return os.get_terminal_size(1).columns or 80
    except OSError:  # closed, or no terminal
        return 80


def _is_whole(text: str, most: int) -> bool:
    """Return whether it is a number from 1 to `most`, of few digits: Python refuses thousands."""
    return text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 0 < int(text) <= most
