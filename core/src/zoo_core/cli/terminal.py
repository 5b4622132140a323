"""Output that cannot steer the terminal.

Names, labels, paths and reasons come from plugins, servers and files. `guarded_streams` replaces
standard output and standard error, so that prints, warnings, log lines and argparse's own messages
all pass through `escaped`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TextIO

_STEERING = "\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
# Compiled where they are needed: most output is printable, and compiling takes a tenth of a start.
_CELL = f"[{_STEERING}]"
_TEXT = f"(?!\n)[{_STEERING}]"
_BAR = r"\r|(?:\n|\x1b\[A)+\Z"
"""The part of a progress bar's write that moves back to draw over its last state."""


def escaped(text: str, *, one_line: bool = False) -> str:
    r"""Write control characters as ``\x1b``, bidirectional overrides as ``\u202e``, and so on.

    Line separators and surrogates as well. Line feeds stay, unless `one_line`.
    """
    if (text if one_line else text.replace("\n", "")).isprintable():
        return text
    return re.sub(_CELL if one_line else _TEXT, _written_out, text)


def escaped_json(text: str) -> str:
    r"""Replace them in a JSON text by ``\u001b`` and so on, which parses to the same value."""
    return text if text.isprintable() else re.sub(_TEXT, lambda match: f"\\u{ord(match[0]):04x}", text)


def _written_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class Guarded:
    """A text stream that escapes its text, and the characters that its encoding lacks.

    Every other attribute is the underlying stream's.
    """

    def __init__(self, stream: TextIO | None, name: str) -> None:
        self.stream = stream
        self.name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return self.stream is not None and self.stream.isatty()

    def write(self, text: str) -> int:
        """Write the text escaped. Raises OSError if standard output fails; stderr loses it."""
        kept = ""
        bar = re.match(_BAR, text) if self.name == "stderr" else None
        if bar:
            kept = bar[0] if self.isatty() else "\n"  # in a log each state is a line of its own
        self.write_raw(kept + escaped(text[bar.end() if bar else 0 :]))
        return len(text)

    def write_raw(self, text: str) -> None:
        """Write text that is escaped already, such as a table with colours."""
        with self._failing():
            if self.stream is None:
                raise OSError(errno.EBADF, "it is closed")
            try:
                self.stream.write(text)
            except UnicodeEncodeError:
                encoding = self.stream.encoding
                self.stream.write(text.encode(encoding, "backslashreplace").decode(encoding))

    def writelines(self, lines: Any) -> None:
        """Write each line."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush, with the errors of `write`."""
        if self.stream is not None:
            with self._failing():
                self.stream.flush()

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:  # ValueError: the stream is closed
            # Python flushes once more at exit, and would complain: send the rest to /dev/null.
            with contextlib.suppress(OSError, ValueError, AttributeError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())  # type: ignore[union-attr]
            if self.name == "stdout":
                number = getattr(error, "errno", None) or errno.EBADF
                reason = getattr(error, "strerror", None) or str(error)
                raise OSError(number, f"cannot write to standard output: {reason}") from error


@contextlib.contextmanager
def guarded_streams() -> Iterator[None]:
    """Replace standard output and standard error by `Guarded` streams."""
    if isinstance(sys.stdout, Guarded):
        yield
        return
    before = sys.stdout, sys.stderr
    guarded = Guarded(before[0], "stdout"), Guarded(before[1], "stderr")
    sys.stdout, sys.stderr = guarded
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        with contextlib.suppress(OSError):
            guarded[0].flush()


_output: TextIO | None = None


@contextlib.contextmanager
def reserved_output() -> Iterator[None]:
    """Keep standard output for `output`: all other prints, those of plugins too, go to stderr."""
    global _output
    _output, before = sys.stdout, _output
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _output = before


def output() -> TextIO:
    """The real standard output, reserved or not."""
    return _output or sys.stdout
