"""The argument parser of ``zoo``: one clear line for a mistake, examples in the help, and types that options share."""

from __future__ import annotations

import argparse
import contextlib
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from zoo_core.config_fields import MAX_SIDE, shortened
from zoo_core.errors import ZooError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MISTAKE = 2
"""The exit code for what the user can put right."""
_LONGEST = 4000


class Parser(argparse.ArgumentParser):
    """An argument parser that answers a mistake with one ``zoo: error:`` line and the nearest valid word."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", partial(argparse.RawDescriptionHelpFormatter, max_help_position=28))
        # An abbreviation that works today is ambiguous once an option is added.
        super().__init__(**{**options, "allow_abbrev": False})

    def parse_known_args(self, args: Iterable[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """As argparse does, but each parser refuses what it does not know: it knows what would have been right."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            word = unknown[0].partition("=")[0]
            options = [option for action in self._actions for option in action.option_strings]
            problem = f"has no option {word!r}" if word.startswith("-") else f"takes no further argument {word!r}"
            hint = did_you_mean(word, options) if word.startswith("-") else ""
            self.error(f"{self.prog} {problem}{hint or f'; see {self.prog} --help'}")
        return parsed, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            what = "command" if action.dest == "command" else "/".join(action.option_strings) or action.dest
            choices = [str(choice) for choice in action.choices]
            there_are = f"; there are {', '.join(choices)}"
            self.error(f"unknown {what} {value!r}{did_you_mean(str(value), choices) or there_are}")

    def _print_message(self, message: str, file: Any = None) -> None:
        # argparse's own loses what a full disk does not take, and says nothing.
        (sys.stderr if file is None else file).write(message)

    def error(self, message: str) -> NoReturn:
        """Print one line and exit."""
        print_error(message)
        sys.exit(MISTAKE)


def print_error(message: object) -> None:
    """One ``zoo: error:`` line on stderr, whatever the message was wrapped into; cut where it would fill a screen."""
    print(f"zoo: error: {_one_line(message)}", file=sys.stderr)


def print_warning(message: object) -> None:
    """The same of what does not end the command."""
    print(f"zoo: warning: {_one_line(message)}", file=sys.stderr)


def _one_line(message: object) -> str:
    text = " ".join(str(message).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} [...] {text[-_LONGEST // 4 :]}"


@contextlib.contextmanager
def foreign_code(what: str) -> Iterator[None]:
    """Turn whatever a network's or an added command's own code raises, or its exit, into one line that begins `what`.

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
        raise ZooError(f"{what}: {type(error).__name__}: {error}") from error


def examples(*lines: str) -> str:
    """The epilogue of a command's help."""
    return "\n".join(["examples:", *(f"  {line}" for line in lines)])


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """The option ``--json``."""
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def add_input_size_option(parser: argparse.ArgumentParser, meaning: str = "") -> None:
    """The option ``--input-size``: (height, width) in pixels, None where the weights' own size is wanted.

    `meaning` begins its help where it does more than say the size.
    """
    parser.add_argument(
        "--input-size",
        type=parse_size,
        metavar="SIZE",
        help=f"{meaning}pixels, 320 or 320x480 (height x width); default: the config's",
    )


def positive(text: str) -> int:
    """A whole number from 1 up."""
    if not _is_whole(text, 10**9):
        raise argparse.ArgumentTypeError(f"{shortened(text)} is no whole number from 1 up")
    return int(text)


def parse_size(text: str) -> tuple[int, int]:
    """``"320"`` or ``"320x480"`` as (height, width)."""
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(_is_whole(side, MAX_SIDE) for side in sides):
        raise argparse.ArgumentTypeError(
            f"{shortened(text)} is no size: expected pixels such as 320, or 320x480 (height x width)"
        )
    return int(sides[0]), int(sides[-1])


def _is_whole(text: str, most: int) -> bool:
    """Whether it is a number from 1 to `most`; Python refuses to read one of thousands of digits."""
    return text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 0 < int(text) <= most
