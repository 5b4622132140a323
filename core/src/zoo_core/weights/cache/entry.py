"""One file in the cache folder, and its receipt.

::

    <cache>/weights/<host>/<path of the URL>            the file
    <cache>/weights/<host>/<path of the URL>.receipt    what is known of it, see `Receipt`
    ....part  ....lock                                  a transfer to resume, and its lock
    ....rejected                                        a file with a wrong hash

``<cache>`` is the argument ``cache_dir``, else the variable ``ZOO_CACHE``, else the platform's
cache folder. The layout is that of ``wget --force-directories``: ``<cache>/weights`` behind a web
server is a mirror for ``ZOO_MIRROR``.

`zoo_core.weights.cache.address` makes the names. `Entry` makes every path, and refuses one that
leaves the folder.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from zoo_core.errors import WeightsError
from zoo_core.weights.cache.paths import only_ours_to_write, stays_inside, user_path
from zoo_core.weights.cache.verify import Expected, is_sha256, sha256_of

if TYPE_CHECKING:
    from filelock import BaseFileLock

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The errors of a full disk, a quota, and a limit on a file's size."""
_LONGEST_RECEIPT = 100_000


def cache_folder(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """Return Zoo's cache folder: `cache_dir`, else ``ZOO_CACHE``, else the platform's.

    Raises:
        WeightsError: for a name that no folder can have.
    """
    if chosen := cache_dir or os.environ.get("ZOO_CACHE"):
        folder = user_path(chosen).absolute()
        with suppress(UnicodeEncodeError):
            if b"\0" not in os.fsencode(folder):
                return folder
        raise WeightsError(f"no folder can be named {str(folder)!r}: correct ZOO_CACHE or cache_dir")
    import platformdirs

    return Path(platformdirs.user_cache_path("zoo", appauthor=False))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Receipt:
    """What is known of a file; written before its transfer and completed after it."""

    url: str
    """What the file stands for; without a hash it serves no other URL."""
    mirror: str | None = None
    """The mirror's URL, where the bytes came from one."""
    validator: str | None = None
    """The server's ETag or modification date; a transfer is only resumed from the same. Of an
    aligned copy, the SHA-256 of its header."""
    size: int | None = None
    """Bytes."""
    sha256: str | None = None
    """Of the whole file, in hex; None until it is complete."""
    mtime_ns: int | None = None
    """A file of another size or modification time than the receipt's is hashed again."""
    verified_by: str | None = None
    """The source of the hash that the file was compared with: ``config``, ``name`` or ``hub``."""
    remembered: str | None = None
    """The SHA-256 that an unverified file had when it was first fetched, while it is fetched
    again."""
    path: str | None = None
    """The file's path, if it is not beside the receipt but in another program's cache."""
    commit: str | None = None
    """The commit of the Hub repository that the file is of."""

    def __post_init__(self) -> None:
        """Refuse what is no receipt: damaged, or written by somebody else."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            kind = int if field.name in ("size", "mtime_ns") else str
            if type(value) is not kind and (value is not None or field.name == "url"):
                raise TypeError(f"{field.name} of a receipt is {value!r}")
        for hashed in filter(None, (self.sha256, self.remembered)):
            if not is_sha256(hashed):
                raise ValueError(f"a hash in a receipt is {hashed!r}")

    def of(self, path: Path, sha256: str) -> Self:
        """Return the receipt of the whole file at `path`, which has that hash."""
        status = path.stat()
        size, mtime_ns = status.st_size, status.st_mtime_ns
        return dataclasses.replace(self, size=size, mtime_ns=mtime_ns, sha256=sha256, remembered=None)

    @property
    def first(self) -> str | None:
        """The hash that the file had when it was first fetched, if nothing else vouches for it."""
        return self.remembered or (self.sha256 if self.verified_by is None and self.path is None else None)


@dataclasses.dataclass(frozen=True)
class Entry:
    """The paths of one file of the cache."""

    folder: Path
    """The cache folder."""
    key: str
    """Relative path of the file in ``weights``, see `zoo_core.weights.cache.address.key_of`."""

    def __post_init__(self) -> None:
        """Refuse a path outside of the cache, whoever made the key."""
        if not stays_inside(self.key):
            raise WeightsError(f"{self.key!r} is no place in the cache {self.folder}")

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / "weights" / self.key

    @property
    def receipt_path(self) -> Path:
        """The receipt, as JSON."""
        return self._beside("receipt")

    @property
    def part_path(self) -> Path:
        """The file during its transfer."""
        return self._beside("part")

    @property
    def lock_path(self) -> Path:
        """The lock of the process that transfers it."""
        return self._beside("lock")

    @property
    def rejected_path(self) -> Path:
        """The file with a wrong hash, kept for inspection."""
        return self._beside("rejected")

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(f"{self.path.name}.{suffix}")

    def lock(self, timeout: float = -1) -> BaseFileLock:
        """Return the lock, which whoever may write the folder may take.

        Raises:
            OSError: when there is no folder for it.
        """
        from filelock import FileLock

        return FileLock(self.lock_path, timeout, mode=self.lock_path.parent.stat().st_mode & 0o666)

    def read_receipt(self) -> Receipt | None:
        """Return the receipt; None where there is none that can be read."""
        try:
            with self.receipt_path.open("rb") as file:
                return Receipt(**json.loads(file.read(_LONGEST_RECEIPT)))
        except (OSError, ValueError, TypeError, RecursionError):
            return None

    def write_receipt(self, receipt: Receipt) -> None:
        """Write the receipt, whole or not at all."""
        known = {key: value for key, value in dataclasses.asdict(receipt).items() if value is not None}
        write_atomically(self.receipt_path, json.dumps(known, indent=1).encode())


def verified(entry: Entry, path: Path, expected: Expected | None, *, url: str) -> bool:
    """Return whether a file has the expected content, or without a hash, that fetched from `url`.

    The receipt answers while the file's size and time are the same, and nobody else could have
    written either. Otherwise hash the file and renew the receipt, or write the first one for a file
    of another program's cache. A file of another program's cache that cannot be read has not.

    Raises:
        WeightsError: when Zoo's own cannot be read.
    """
    try:
        return _is_verified(entry, path, expected, url)
    except OSError as error:
        if path != entry.path:
            return False
        raise WeightsError(
            f"{path} cannot be read ({error.strerror or error}): have its owner permit it, "
            "or name another cache folder with the variable ZOO_CACHE or the argument cache_dir"
        ) from error


def _is_verified(entry: Entry, path: Path, expected: Expected | None, url: str) -> bool:
    where = None if path == entry.path else str(path)
    receipt = entry.read_receipt()
    if receipt and (receipt.sha256 is None or receipt.path != where):
        receipt = None
    if receipt and expected is None and receipt.url != url:
        return False  # another URL's file, under a name that the file system takes for the same
    status = path.stat()
    unchanged = receipt and (receipt.size, receipt.mtime_ns) == (status.st_size, status.st_mtime_ns)
    if receipt and receipt.sha256 and unchanged and only_ours_to_write(path, entry.receipt_path):
        return expected is None or expected.matches(receipt.sha256)
    sha256 = sha256_of(path)
    if not expected.matches(sha256) if expected else receipt and where is None and receipt.sha256 != sha256:
        return False
    if receipt and unchanged and receipt.sha256 == sha256:
        return True
    renewed = receipt or Receipt(url=url, path=where)
    if expected:
        renewed = dataclasses.replace(renewed, url=url, verified_by=expected.named_by)
    renewed = dataclasses.replace(renewed, size=status.st_size, mtime_ns=status.st_mtime_ns, sha256=sha256)
    with suppress(OSError):  # a cache that can only be read, a shared one for example, serves as well
        entry.write_receipt(renewed)
    return True


def store(content: bytes, folder: Path, key: str, *, url: str, commit: str | None = None) -> Entry:
    """Write a small file that is in memory into the cache, with its receipt."""
    entry = Entry(folder, key)
    try:
        write_atomically(entry.path, content)
        sha256 = hashlib.sha256(content).hexdigest()
        entry.write_receipt(Receipt(url=url, commit=commit).of(entry.path, sha256))
    except OSError as error:
        raise unwritable(folder, error) from error
    return entry


def unwritable(folder: Path, error: OSError, variable: str = "ZOO_CACHE") -> WeightsError:
    """Return the error for a cache folder that cannot be written."""
    return WeightsError(
        f"the cache folder {folder} cannot be written ({error.strerror or error}): "
        f"name another with the variable {variable} or the argument cache_dir"
    )


def no_space(folder: Path, what: str, needed: int | None = None) -> WeightsError:
    """Return the error for a full cache; `needed` is in bytes."""
    free = shutil.disk_usage(folder).free
    needs = f"{needed:,} bytes are needed, {free:,} are free" if needed else f"{free:,} bytes are free"
    return WeightsError(
        f"no space left for {what} in {folder}: {needs}. Free some (zoo cache remove), "
        "or name another folder with the variable ZOO_CACHE or the argument cache_dir"
    )


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, into a folder that is made if need be.

    Raises:
        OSError: when it cannot be written; the old file is left then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A new file ("x") under a name that nobody can foresee: neither another writer's, nor a link to
    # somewhere else.
    temporary = path.with_name(f"{path.name}.{os.urandom(8).hex()}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
