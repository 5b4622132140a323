"""What is in the cache: listed, verified, pruned. Only files that Zoo put there are ever touched."""

from __future__ import annotations

import dataclasses
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.weights.cache.entry import Entry, Receipt
from zoo_core.weights.cache.verify import sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclasses.dataclass(frozen=True, kw_only=True)
class Item:
    """One file of the cache."""

    entry: Entry
    path: Path
    state: str
    """``whole``; ``elsewhere`` (in another program's cache); ``partial``, to be resumed; ``rejected``, for its hash;
    ``leftover``, of a process that ended while it wrote."""
    size: int
    """Bytes."""
    receipt: Receipt | None

    @property
    def verified_by(self) -> str | None:
        """What vouched for the content: ``config``, ``name`` or ``hub``."""
        return self.receipt.verified_by if self.receipt and self.state in ("whole", "elsewhere") else None


def inventory(folder: Path, patterns: Sequence[str] = ()) -> list[Item]:
    """The files that a cache holds, by name; with `patterns`, those of which one matches a part of the name."""
    root = folder / "weights"
    suffixes = (".receipt", ".part", ".rejected")
    keys = {path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*") if path.suffix in suffixes}
    found = [item for key in sorted(keys) for item in _items(Entry(folder, key))] + _leftovers(folder)
    return [item for item in found if not patterns or any(fnmatch(item.entry.key, f"*{each}*") for each in patterns)]


def _leftovers(folder: Path) -> list[Item]:
    """Files that somebody began to write, named ``<file>.<token>.tmp`` or ``<file>.receipt.<token>.tmp``."""
    root = folder / "weights"
    return [
        Item(
            entry=Entry(
                folder, path.relative_to(root).with_suffix("").with_suffix("").as_posix().removesuffix(".receipt")
            ),
            path=path,
            state="leftover",
            size=path.stat().st_size,
            receipt=None,
        )
        for path in sorted(root.rglob("*.tmp"))
        if path.is_file()
    ]


def _items(entry: Entry) -> Iterator[Item]:
    receipt = entry.read_receipt()
    states = [("whole", entry.path), ("partial", entry.part_path), ("rejected", entry.rejected_path)]
    if receipt and receipt.path:
        states.insert(1, ("elsewhere", Path(receipt.path)))
    for state, path in states:
        if path.is_file():
            yield Item(entry=entry, path=path, state=state, size=path.stat().st_size, receipt=receipt)


def damage(item: Item) -> str | None:
    """What is wrong with a file, by its content and its receipt; None for a sound one, and one that is not whole."""
    if item.state not in ("whole", "elsewhere"):
        return None
    if item.receipt is None or item.receipt.sha256 is None:
        return "nothing is known of it"
    actual = sha256_of(item.path)
    return None if actual == item.receipt.sha256 else f"SHA-256 {actual}, fetched with {item.receipt.sha256}"


def set_aside(item: Item) -> None:
    """Keep a damaged file of the cache under another name, so that it is fetched again when it is needed."""
    if item.state == "whole":
        item.path.replace(item.entry.rejected_path)
    item.entry.receipt_path.unlink(missing_ok=True)


def prune(folder: Path, patterns: Sequence[str] = (), *, everything: bool = False, dry_run: bool = False) -> list[Item]:
    """Remove partial, rejected and leftover files; with `patterns` all that match, with `everything` all.

    A file in another program's cache is left there and forgotten. What is being fetched right now is left alone.

    Returns:
        What was removed, or with `dry_run` would be.
    """
    from filelock import FileLock, Timeout

    removed = []
    for item in inventory(folder, patterns):
        if item.state in ("whole", "elsewhere") and not (patterns or everything):
            continue
        if dry_run:
            removed.append(item)
            continue
        try:
            with FileLock(item.entry.lock_path, timeout=0):
                if item.state != "elsewhere":
                    item.path.unlink(missing_ok=True)
                if not item.entry.path.exists():
                    item.entry.receipt_path.unlink(missing_ok=True)
        except Timeout:
            continue
        item.entry.lock_path.unlink(missing_ok=True)
        removed.append(item)
    return removed
