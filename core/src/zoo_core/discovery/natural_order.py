"""Natural order: ``resnet18`` before ``resnet101``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_WIDEST = 20  # one name of a million digits must not make every key as long
_DIGITS = b"0123456789"
_ONLY_DIGITS = bytes(byte if byte in _DIGITS else 32 for byte in range(256))
_NO_DIGITS = bytes(32 if byte in _DIGITS else byte for byte in range(256))


def natural_sort(names: Iterable[str]) -> list[str]:
    """Return names, which hold no white space, in an order that reads runs of digits as numbers."""
    names = sorted(names)
    return sorted(names, key=_keys(names).__getitem__)


def natural_merge(runs: Iterable[list[str]]) -> list[str]:
    """`natural_sort` of sorted lists, each the names of one family.

    Names of different families usually begin differently: only lists that overlap are sorted again.
    """
    runs = [run for run in runs if run]
    key = _keys([name for run in runs for name in (run[0], run[-1])])
    merged: list[str] = []
    overlapping: list[list[str]] = []
    high = b""
    for run in sorted(runs, key=lambda run: key[run[0]]):
        if overlapping and key[run[0]] > high:
            merged += _merge(overlapping)
            overlapping = []
        overlapping.append(run)
        high = max(high, key[run[-1]])
    return merged + _merge(overlapping)


def _merge(runs: list[list[str]]) -> list[str]:
    return runs[0] if len(runs) == 1 else natural_sort(name for run in runs for name in run)


def _keys(names: list[str]) -> dict[str, bytes]:
    """Name to a key that sorts naturally: every run of digits padded to one width.

    In one pass over all names: a key function would take half a second for 100,000.
    """
    # A line break before each name: text and numbers alternate then, text first.
    text = "".join(["\n" + name for name in names]).encode()
    numbers = text.translate(_ONLY_DIGITS).split()
    texts = list(filter(None, text.translate(_NO_DIGITS).split(b" ")))
    width = min(max(map(len, numbers), default=0), _WIDEST)
    pieces = [b""] * (len(texts) + len(numbers))
    pieces[::2] = texts
    pieces[1::2] = [number.zfill(width) for number in numbers]
    return dict(zip(names, b"".join(pieces).split(b"\n")[1:], strict=True))
