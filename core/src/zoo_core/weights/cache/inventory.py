"""The files in the cache: list, verify, remove them. Touches only files that Zoo put there."""

from __future__ import annotations

import dataclasses
import logging
import os
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.errors import WeightsError
from zoo_core.weights.cache.entry import Entry, Receipt
from zoo_core.weights.cache.paths import is_file
from zoo_core.weights.cache.verify import sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_log = logging.getLogger("zoo_core")


@dataclasses.dataclass(frozen=True)
class Item:
    """One file of the cache."""

    entry: Entry
    path: Path
    state: str
    """``whole``; ``elsewhere`` (in another program's cache); ``partial``, to be resumed;
    ``rejected``, for its hash; ``leftover``, of a process that ended while it wrote or removed."""
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
    """Return the files in a cache, by name; only those that match `patterns`, if there are any.

    A folder that cannot be read, another user's, is left out with a warning.
    """
    root = folder / "weights"
    suffixes = (".receipt", ".part", ".rejected", ".lock")
    paths = list(_paths_below(root))
    keys = {path.relative_to(root).with_suffix("").as_posix() for path in paths if path.suffix in suffixes}
    found = [item for key in sorted(keys) for item in _items(Entry(folder, key))]
    # <file>.<token>.tmp, <file>.receipt.<token>.tmp
    for path in sorted(path for path in paths if path.suffix == ".tmp"):
        key = path.relative_to(root).with_suffix("").with_suffix("").as_posix().removesuffix(".receipt")
        if is_file(path):
            found.append(Item(Entry(folder, key), path, "leftover", path.stat().st_size))
    return [item for item in found if not patterns or any(fnmatch(item.entry.key, f"*{each}*") for each in patterns)]


def _paths_below(root: Path) -> Iterator[Path]:
    def warn(error: OSError) -> None:
        if isinstance(error, PermissionError):
            _log.warning("%s is left out, as it cannot be read: %s", error.filename, error.strerror)
        elif not isinstance(error, FileNotFoundError):  # there is no cache yet
            raise error

    for folder, _, names in os.walk(root, onerror=warn):
        yield from (Path(folder, name) for name in names)


def _items(entry: Entry) -> Iterator[Item]:
    receipt = entry.read_receipt()
    states = {"whole": entry.path, "partial": entry.part_path, "rejected": entry.rejected_path}
    if receipt and receipt.path:
        states["elsewhere"] = Path(receipt.path)
    found = [(state, path) for state, path in states.items() if is_file(path)]
    if not found:  # of a file that is gone, one of which leads `remove` to the other
        found = [("leftover", path) for path in (entry.receipt_path, entry.lock_path) if is_file(path)][:1]
    for state, path in found:
        yield Item(entry, path, state, path.stat().st_size, receipt)


def damage(item: Item) -> str | None:
    """Return the damage to a file, by its receipt; None for a sound or incomplete one."""
    if not item.is_complete:
        return None
    if item.receipt is None or item.receipt.sha256 is None:
        return "nothing is known of it"
    try:
        actual = sha256_of(item.path)
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    return None if actual == item.receipt.sha256 else f"SHA-256 {actual}, fetched with {item.receipt.sha256}"


def set_aside(item: Item) -> bool:
    """Rename a damaged file, so that it is fetched again when needed; False if it stays."""
    try:
        if item.state == "whole":  # its receipt stays, and says what the file has to be
            item.path.replace(item.entry.rejected_path)
        else:
            item.entry.receipt_path.unlink(missing_ok=True)
    except OSError:  # the folder is another user's
        return False
    return item.state == "whole"


def remove(
    folder: Path, patterns: Sequence[str] = (), *, everything: bool = False, dry_run: bool = False
) -> list[Item]:
    """Remove partial, rejected and leftover files, or all that match `patterns`, or `everything`.

    A file in another program's cache is forgotten, and left there. A file that is being fetched
    right now stays.

    Returns:
        The files that were removed, or with `dry_run` would be.

    Raises:
        WeightsError: for files that are another user's, after the others were removed.
    """
    from filelock import Timeout

    removed, refused = [], []
    for item in inventory(folder, patterns):
        if item.is_complete and not (patterns or everything):
            continue
        if not dry_run:
            try:
                with item.entry.lock(timeout=0):
                    if item.state != "elsewhere":
                        item.path.unlink(missing_ok=True)
                    if not item.entry.path.exists():
                        item.entry.receipt_path.unlink(missing_ok=True)
                item.entry.lock_path.unlink(missing_ok=True)
            except Timeout:
                continue
            except OSError as error:
                refused.append(f"{item.path}: {error.strerror or error}")
                continue
        removed.append(item)
    if refused:
        raise WeightsError(
            f"{len(removed)} files were removed, and {len(refused)} cannot be, which another user owns: {refused[0]}"
        )
    return removed
