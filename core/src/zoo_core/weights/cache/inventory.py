"""The files in the cache: list, verify, remove them. Touches only files that Zoo put there."""

from __future__ import annotations

import dataclasses
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.weights.cache.entry import Entry, Receipt
from zoo_core.weights.cache.verify import sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclasses.dataclass(frozen=True)
class Item:
    """One file of the cache."""

    entry: Entry
    path: Path
    state: str
    """``whole``; ``elsewhere`` (in another program's cache); ``partial``, to be resumed;
    ``rejected``, for its hash; ``leftover``, of a process that ended while it wrote."""
    size: int
    """Bytes."""
    receipt: Receipt | None = None

    @property
    def is_complete(self) -> bool:
        """Whether it is the file itself, not a part or a remainder of one."""
        return self.state in ("whole", "elsewhere")

    @property
    def verified_by(self) -> str | None:
        """The source of the hash that it was compared with: ``config``, ``name`` or ``hub``."""
        return self.receipt.verified_by if self.receipt and self.is_complete else None


def inventory(folder: Path, patterns: Sequence[str] = ()) -> list[Item]:
    """Return the files in a cache, by name; only those that match `patterns`, if there are any."""
    root = folder / "weights"
    suffixes = (".receipt", ".part", ".rejected")
    keys = {path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*") if path.suffix in suffixes}
    found = [item for key in sorted(keys) for item in _items(Entry(folder, key))]
    for path in sorted(root.rglob("*.tmp")):  # <file>.<token>.tmp, <file>.receipt.<token>.tmp
        key = path.relative_to(root).with_suffix("").with_suffix("").as_posix().removesuffix(".receipt")
        if path.is_file():
            found.append(Item(Entry(folder, key), path, "leftover", path.stat().st_size))
    return [item for item in found if not patterns or any(fnmatch(item.entry.key, f"*{each}*") for each in patterns)]


def _items(entry: Entry) -> Iterator[Item]:
    receipt = entry.read_receipt()
    states = {"whole": entry.path, "partial": entry.part_path, "rejected": entry.rejected_path}
    if receipt and receipt.path:
        states["elsewhere"] = Path(receipt.path)
    for state, path in states.items():
        if path.is_file():
            yield Item(entry, path, state, path.stat().st_size, receipt)


def damage(item: Item) -> str | None:
    """Return the damage to a file, by its receipt; None for a sound or incomplete one."""
    if not item.is_complete:
        return None
    if item.receipt is None or item.receipt.sha256 is None:
        return "nothing is known of it"
    actual = sha256_of(item.path)
    return None if actual == item.receipt.sha256 else f"SHA-256 {actual}, fetched with {item.receipt.sha256}"


def set_aside(item: Item) -> None:
    """Rename a damaged file of the cache, so that it is fetched again when needed."""
    if item.state == "whole":
        item.path.replace(item.entry.rejected_path)
    item.entry.receipt_path.unlink(missing_ok=True)


def remove(
    folder: Path, patterns: Sequence[str] = (), *, everything: bool = False, dry_run: bool = False
) -> list[Item]:
    """Remove partial, rejected and leftover files, or all that match `patterns`, or `everything`.

    A file in another program's cache is forgotten, and left there. A file that is being fetched
    right now stays.

    Returns:
        The files that were removed, or with `dry_run` would be.
    """
    from filelock import FileLock, Timeout

    removed = []
    for item in inventory(folder, patterns):
        if item.is_complete and not (patterns or everything):
            continue
        if not dry_run:
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
