"""What each field of a default config may hold: types, and bounds that no real network leaves.

Configs come from plugins' files and from repositories, so that they are checked where they are
made, not where they are used. Lean on purpose: a listing with ``--long`` makes one config for each
set of weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from zoo_core.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_SIDE = 65_536
"""Greatest height, width or count of channels."""
MAX_CLASSES = 10_000_000

Check = Callable[[object], bool]


def check_fields(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Check the fields of a default config that are not their default.

    Raises:
        ConfigError: naming the first field that is wrong, its value and what was expected.
    """
    for name, value in values.items():
        if value is not defaults[name]:
            expected, check = FIELDS[name]
            if not check(value):
                raise ConfigError(f"default config field {name!r} must be {expected}, not {shortened(value)}")


def shortened(value: object, most: int = 60) -> str:
    """The repr of a value from outside, cut to what fits a line: a text to `most` characters."""
    import reprlib

    brief = reprlib.Repr()
    brief.maxstring = brief.maxother = brief.maxlong = most
    return brief.repr(value)


def number(low: float, high: float) -> Check:
    """A finite number in bounds."""
    # NaN compares false with everything, so that it is refused like what is out of bounds.
    return lambda value: isinstance(value, int | float) and type(value) is not bool and low <= value <= high


def whole(low: int, high: int) -> Check:
    """A whole number in bounds."""
    return lambda value: isinstance(value, int) and type(value) is not bool and low <= value <= high


def text(value: Any) -> bool:
    """Text without control characters."""
    return isinstance(value, str) and (value.isprintable() or not any(map(_is_control, value)))


def _lines(value: Any) -> bool:
    return isinstance(value, str) and text(value.translate({9: " ", 10: " ", 13: " "}))


def _is_control(character: str) -> bool:
    # Not all that is unprintable: no-break spaces and the joiners in emoji are ordinary text.
    return character < " " or "\x7f" <= character <= "\x9f" or "\ud800" <= character <= "\udfff"


def _hex(value: Any) -> bool:
    return isinstance(value, str) and 8 <= len(value) <= 64 and set(value) <= set("0123456789abcdefABCDEF")


def each(check: Check, lengths: range = range(MAX_CLASSES + 1)) -> Check:
    """A sequence of some length, of which each passes."""
    return lambda value: isinstance(value, tuple | list) and len(value) in lengths and all(map(check, value))


def texts(value: Any) -> bool:
    """A sequence of texts without control characters."""
    # All at once: 22,000 names of classes are checked as one text.
    return isinstance(value, tuple | list) and all(isinstance(name, str) for name in value) and text("".join(value))


def _table(check: Check) -> Check:
    return lambda value: isinstance(value, Mapping) and texts(list(value)) and all(map(check, value.values()))


def either(*checks: Check) -> Check:
    """What one of several checks passes."""
    return lambda value: any(check(value) for check in checks)


def _optional(expected: str, check: Check) -> tuple[str, Check]:
    return f"{expected}, or None", lambda value: value is None or check(value)


_bool: tuple[str, Check] = ("True or False", lambda value: type(value) is bool)
_plain = ("text without control characters", text)
_place = _optional("text without control characters", text)
_modules = _optional("a module's name or several", either(text, texts))
_sides = each(whole(1, MAX_SIDE), range(3, 4))
_size = (f"(channels, height, width), each from 1 to {MAX_SIDE}", _sides)
_crop = ("a number above 0, 10 at most", number(1e-9, 10))

FIELDS: dict[str, tuple[str, Check]] = {
    "url": _place,
    # A path of this machine may hold whatever a file system allows.
    "file": _optional("a path", lambda value: isinstance(value, str) and "\0" not in value),
    "hf_hub_id": _place,
    "hf_hub_filename": _place,
    "sha256": _optional("8 to 64 hexadecimal digits", _hex),
    "size": _optional("a count of bytes", whole(0, 1 << 62)),
    "architecture": _place,
    "tag": _place,
    "custom_load": _bool,
    "input_size": _size,
    "test_input_size": _optional(*_size),
    "min_input_size": _optional(*_size),
    "fixed_input_size": _bool,
    "interpolation": _plain,
    "crop_pct": _crop,
    "test_crop_pct": _optional(*_crop),
    "crop_mode": _plain,
    "mean": ("a finite number for each channel", each(number(-1e9, 1e9), range(1, MAX_SIDE + 1))),
    "std": ("a positive finite number for each channel", each(number(1e-9, 1e9), range(1, MAX_SIDE + 1))),
    "num_classes": (f"a whole number from 0 to {MAX_CLASSES}", whole(0, MAX_CLASSES)),
    "label_offset": (f"a whole number from 0 to {MAX_CLASSES}", whole(0, MAX_CLASSES)),
    "label_names": _optional("a sequence of names", texts),
    "label_descriptions": _optional("a mapping of names to texts", _table(_lines)),
    "pool_size": _optional(f"(height, width), each from 1 to {MAX_SIDE}", each(whole(1, MAX_SIDE), range(2, 3))),
    "first_conv": _modules,
    "classifier": _modules,
    "license": _place,
    "description": _optional("text", _lines),
    "origin_url": _place,
    "paper_name": _place,
    "paper_ids": _optional("text or several", either(text, texts)),
    "notes": _optional("a sequence of texts", each(_lines)),
    "metrics": _optional("a mapping of names to finite numbers", _table(number(-1e15, 1e15))),
}
"""Field to what it must be, in words, and whether a value is that."""
