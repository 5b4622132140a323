"""What `optimize` tried, and what came of it."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

from zoo_core.errors import ConfigError


@dataclass
class Attempt:
    """One engine, tried.

    Attributes:
        name: the engine's.
        reason: why it was refused; empty if it was not.
        build_s: seconds that building took.
        error: the largest relative error over all inputs, None where it was not compared.
        milliseconds: median time of one run.
        ratio: how many times faster than the model as given: the median of paired runs.
        low: its lower quartile.
        high: its upper quartile.
    """

    name: str
    reason: str = ""
    build_s: float | None = None
    error: float | None = None
    milliseconds: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass
class Report:
    """The search for the fastest way to run a model.

    Attributes:
        chosen: the engine in use, or "as given" where none is faster.
        shape: of the input that was measured.
        dtype: of the input.
        device: of the input.
        tolerance: the largest relative error that was allowed.
        seconds: that the search took.
        machine: see `zoo_inference.machine.fingerprint`.
        batches: batch sizes that outputs were compared on.
        variation: by how much the model's outputs for two inputs differ, over the largest value of
            their map; None where that is unknown.
        attempts: the engines in the order in which they were tried.
    """

    chosen: str
    shape: tuple[int, ...]
    dtype: str
    device: str
    tolerance: float
    seconds: float
    machine: dict[str, str | int]
    batches: tuple[int, ...]
    variation: float | None = None
    attempts: list[Attempt] = field(default_factory=list)

    def attempt(self, name: str) -> Attempt:
        """Return what came of one engine; KeyError where it was not tried."""
        for attempt in self.attempts:
            if attempt.name == name:
                return attempt
        raise KeyError(name)

    @property
    def ratio(self) -> float:
        """How many times faster than the model as given."""
        return next((a.ratio for a in self.attempts if a.name == self.chosen and a.ratio), 1.0)

    @property
    def caveat(self) -> str:
        """A sentence for a model that answers every input alike, as any engine does; or nothing."""
        if self.variation is None or self.variation > self.tolerance:
            return ""
        said = f"equal outputs prove little: for two inputs the model's own differ by {self.variation:.1e}"
        return f"{said}; give it the weights that will be used"

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data, for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Any) -> Report:
        """Return a report of plain data, from a file perhaps.

        Raises:
            ConfigError: for a field that is missing, unknown or of another type.
        """
        try:
            fields = dict(values)
            attempts = [_checked(Attempt(**attempt)) for attempt in fields.pop("attempts")]
            fields |= {name: tuple(map(int, fields[name])) for name in ("shape", "batches")}
            report = cls(**fields, attempts=attempts)
            machine = dict(report.machine).items()
            known = all(isinstance(key, str) and isinstance(value, str | int) for key, value in machine)
            texts = (report.chosen, report.dtype, report.device)
            numbers = (report.tolerance, report.seconds, 0.0 if report.variation is None else report.variation)
            known = known and all(isinstance(text, str) for text in texts)
            known = known and all(isinstance(number, int | float) and math.isfinite(number) for number in numbers)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise ConfigError(f"this is no report of zoo_inference.optimize: {error}") from error
        if not known:
            raise ConfigError("this is no report of zoo_inference.optimize: a value has another type")
        return report

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """Return rows of engine, times faster, milliseconds, error, and what came of it."""
        return [
            (
                attempt.name,
                "" if attempt.ratio is None else f"{attempt.ratio:.2f} ({attempt.low:.2f} to {attempt.high:.2f})",
                "" if attempt.milliseconds is None else f"{attempt.milliseconds:.2f}",
                "" if attempt.error is None else f"{attempt.error:.1e}",
                "chosen" if attempt.name == self.chosen else attempt.reason and f"refused: {attempt.reason}",
            )
            for attempt in self.attempts
        ]

    def __str__(self) -> str:
        shape = " x ".join(map(str, self.shape))
        head = f"{shape} {self.dtype} on {self.device}: {self.chosen}, {self.ratio:.2f} times as fast"
        columns = ("engine", "times faster", "ms", "error", "")
        lines = [columns, *self.rows()]
        widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
        text = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
        return "\n".join([head, *(line.rstrip() for line in text), self.caveat]).rstrip()


def _checked(attempt: Attempt) -> Attempt:
    """Return an attempt whose fields have their types."""
    numbers = (attempt.build_s, attempt.error, attempt.milliseconds, attempt.ratio, attempt.low, attempt.high)
    if not all(isinstance(text, str) for text in (attempt.name, attempt.reason)) or not all(
        number is None or isinstance(number, int | float) for number in numbers
    ):
        raise TypeError("an attempt's value has another type")
    return attempt
