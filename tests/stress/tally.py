"""What was tried, and how it ended; the tables of docs/security.md."""

from __future__ import annotations

import dataclasses
import sys
import traceback
from collections import Counter
from typing import TYPE_CHECKING

from zoo_core.errors import ZooError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclasses.dataclass
class Tally:
    """The trials of one promise."""

    promise: str
    unit: str
    """What is counted: files, transfers, command lines."""
    outcomes: Counter[str] = dataclasses.field(default_factory=Counter)
    failures: list[str] = dataclasses.field(default_factory=list)

    @property
    def tried(self) -> int:
        return sum(self.outcomes.values())

    def add(self, outcome: str, failure: str = "") -> None:
        self.outcomes[outcome] += 1
        if failure:
            self.failures.append(f"{outcome}: {failure}")

    def attempt(self, what: object, act: Callable[..., object], *arguments: object) -> object:
        """Call `act`: an error of Zoo in one line is an outcome, any other error a failure."""
        try:
            result = act(*arguments)
        except ZooError as error:
            text = str(error)
            blames_us = "hook plugin zoo_core" in text or not text
            self.add("refused", f"{what!r}: {text[:300]}" if blames_us else "")
            return None
        except BaseException as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            self.add("raised", f"{what!r}: {type(error).__name__}: {error} ({last.filename}:{last.lineno})")
            return None
        self.add("accepted")
        return result

    def row(self) -> str:
        counts = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(self.outcomes.items()))
        return f"| {self.promise} | {self.tried:,} {self.unit} | {self.tried - len(self.failures):,} | {counts} |"

    def show(self) -> None:
        print(f"{self.row()}", flush=True)
        for failure in self.failures[:20]:
            print(f"    {failure[:600]}", file=sys.stderr, flush=True)
