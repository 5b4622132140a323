"""One URL into one verified file of the cache: resumed, repeated, hashed, renamed."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import os
import shutil
import stat
from typing import TYPE_CHECKING

from zoo_core.errors import WeightsError
from zoo_core.weights.cache.address import parse_url
from zoo_core.weights.cache.entry import NO_SPACE, Entry, Receipt, no_space, unwritable, verified
from zoo_core.weights.cache.verify import Expected, is_commit, is_sha256
from zoo_core.weights.files import detect
from zoo_core.weights.transfer.http import EncodingError, PassingError, open_url, read_body, retried
from zoo_core.weights.transfer.request import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from hashlib import _Hash
    from io import BufferedRandom
    from pathlib import Path

    from requests import Response

_log = logging.getLogger("zoo_core")
_NAMED_BY = {
    "config": "config",
    "name": "file name",
    "hub": "Hub repository",
    "first": "first download, which nothing vouched for (`zoo cache remove` forgets it),",
}


def download(
    url: str,
    entry: Entry,
    expected: Expected | None = None,
    *,
    name: str,
    headers: Mapping[str, str] | None = None,
    progress: bool = True,
    mirror: str | None = None,
) -> Path:
    """Fetch a URL into the cache.

    The content goes to a ``.part`` beside its path and is renamed once it is verified. While
    another process or thread transfers the same file, wait for it and use its file. A transfer that
    was cut off or killed goes on at the same byte if the server has ranges, and still the same
    file.

    Args:
        url: what to fetch, and what the file stands for.
        entry: the file's place in the cache.
        expected: the hash that it must have; None for the one in the Hub's answer, if there is one.
        name: the model's name, for messages.
        headers: for the request.
        progress: show a bar, on a terminal.
        mirror: a URL to fetch it from instead.

    Raises:
        UnavailableError: when the server cannot be reached, lacks the file, or fails again and
            again.
        WeightsError: for a wrong file, or a cache that is full or cannot be written.
    """
    published = parse_url(url).url
    source = parse_url(mirror).url if mirror else published
    try:
        entry.path.parent.mkdir(parents=True, exist_ok=True)
        with entry.lock():
            if entry.path.is_file():
                if verified(entry, entry.path, expected, url=published):
                    return entry.path
                entry.path.replace(entry.rejected_path)
                _log.warning(
                    "%s: %s was changed since it was fetched, or is another URL's file; fetching %s",
                    name,
                    entry.path,
                    published,
                )
            before = entry.read_receipt()
            first = before.first if before and before.url == published else None
            expected = expected or (Expected(first, "first") if first else None)
            transfer = _Transfer(source, published, entry, expected, name, headers or {}, progress)
            return retried(transfer.attempt, source, name, lambda: _size(entry.part_path))
    except OSError as error:
        if error.errno in NO_SPACE:
            entry.part_path.unlink(missing_ok=True)
            raise no_space(entry.folder, entry.path.name) from error
        raise unwritable(entry.folder, error) from error


@dataclasses.dataclass
class _Transfer:
    """One download, under its lock."""

    url: str
    """The source of the bytes."""
    published: str
    """What they stand for."""
    entry: Entry
    expected: Expected | None
    name: str
    headers: Mapping[str, str]
    progress: bool
    decoded: bool = True
    """False once the server has named an encoding that its file does not have."""

    def attempt(self) -> Path:
        """Transfer what is missing, verify the whole, and put it in place.

        Raises:
            PassingError: for a failure after which the next attempt goes on with the part.
        """
        part, begun = self.entry.part_path, self._begun()
        have = _size(part) if begun else 0
        headers = dict(self.headers)
        if begun and have:
            headers["Range"] = f"bytes={have}-"
            if begun.validator:
                headers["If-Range"] = begun.validator
        with open_url(self.url, self.name, headers) as response:
            start, total = _range_of(response, have)
            self.expected = self.expected or _linked_hash(response)
            if response.status_code in (206, 416) and not self._goes_on(begun, response, have, total):
                part.unlink(missing_ok=True)
                raise PassingError("the server's file is not the one that was begun", wait_s=0)
            receipt = Receipt(
                url=self.published,
                mirror=None if self.url == self.published else self.url,
                size=total,
                validator=_validator(response),
                commit=_commit(response),
                remembered=self.expected.sha256 if self.expected and self.expected.named_by == "first" else None,
            )
            if response.status_code != 416:
                needed = (total or 0) - start
                if shutil.disk_usage(part.parent).free < needed:
                    raise no_space(self.entry.folder, self.entry.path.name, needed)
                self.entry.write_receipt(receipt)
            with _open_part(part, start) as file:
                digest = hashlib.file_digest(file, "sha256")
                if response.status_code != 416:
                    self._receive(response, file, digest, total)
        if start and self.expected and not self.expected.matches(digest.hexdigest()):
            # The server's file may have changed under the part. Only a whole transfer is evidence
            # against it.
            part.unlink()
            return self.attempt()
        return self._finish(digest.hexdigest(), receipt)

    def _begun(self) -> Receipt | None:
        """Return the receipt of a part of this file; None if no hash or validator can tell it."""
        receipt = self.entry.read_receipt()
        if receipt is None or (receipt.mirror or receipt.url) != self.url or receipt.url != self.published:
            return None
        return receipt if receipt.validator or self.expected else None

    def _goes_on(self, begun: Receipt | None, response: Response, have: int, total: int | None) -> bool:
        """Return whether a part and the answer make one file; True where the hash will tell."""
        if response.status_code == 416 and total != have:
            return False
        if self.expected or not have:
            return True
        if begun is None or begun.validator is None or begun.size not in (None, total):
            return False
        return begun.validator == _validator(response)

    def _receive(self, response: Response, file: BufferedRandom, digest: _Hash, total: int | None) -> None:
        """Append the answer's body to the part, and to the hash."""
        from tqdm import tqdm

        bar = tqdm(
            desc=self.name,
            total=total,
            initial=file.tell(),
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            disable=None if self.progress else True,  # None: unless it is a terminal
        )
        with bar:
            for packet in self._packets(response):
                small = file.tell() < detect.HEAD_BYTES
                file.write(packet)
                digest.update(packet)
                bar.update(len(packet))
                if small and file.tell() >= detect.HEAD_BYTES:
                    self._check_head(file)
            file.flush()
            os.fsync(file.fileno())
        if total is not None and file.tell() != total:
            raise PassingError(f"the connection was cut at {file.tell():,} of {total:,} bytes")
        self._check_head(file)

    def _packets(self, response: Response) -> Iterator[bytes]:
        try:
            yield from read_body(response, decoded=self.decoded)
        except EncodingError:
            self.entry.part_path.unlink(missing_ok=True)
            self.decoded = False
            raise

    def _check_head(self, file: BufferedRandom) -> None:
        """Refuse what is no weights early; with an expected hash, only the certain cases."""
        position = file.tell()
        file.seek(0)
        head = file.read(detect.HEAD_BYTES)
        file.seek(position)
        if reason := detect.not_weights(head, known_only=self.expected is None):
            self.entry.part_path.unlink(missing_ok=True)
            raise UnavailableError(f"{self.name}: {self.url} answers with {reason}")

    def _finish(self, sha256: str, receipt: Receipt) -> Path:
        """Compare the hash, and put the file in its place."""
        part = self.entry.part_path
        by = self.expected.named_by if self.expected else None
        if self.expected is None:
            if reason := detect.incompleteness(part):
                part.unlink()
                raise UnavailableError(f"{self.name}: {self.url} answers with a file that is not whole: {reason}")
            _log.warning("%s: %s is unverified: nothing names its hash; a config can, as sha256", self.name, self.url)
        elif not self.expected.matches(sha256):
            part.replace(self.entry.rejected_path)
            raise WeightsError(
                f"{self.name}: {self.url} has SHA-256 {sha256}, but its {_NAMED_BY[self.expected.named_by]} says "
                f"{self.expected.sha256}; it is not used, and kept aside as {self.entry.rejected_path}"
            )
        part.replace(self.entry.path)
        verified_by = None if by == "first" else by
        self.entry.write_receipt(dataclasses.replace(receipt, verified_by=verified_by).of(self.entry.path, sha256))
        return self.entry.path


def _size(part: Path) -> int:
    """Return the bytes of a part; 0 for a link to another file, and for one of another user."""
    try:
        status = part.lstat()
    except FileNotFoundError:
        return 0
    is_ours = stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and os.access(part, os.R_OK | os.W_OK)
    return status.st_size if is_ours else 0


def _open_part(part: Path, start: int) -> BufferedRandom:
    """Open a part to read and write, a new one if `start` is 0; never follow a link."""
    if not start:
        part.unlink(missing_ok=True)
    new = 0 if start else os.O_CREAT | os.O_EXCL
    flags = os.O_RDWR | new | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    return open(os.open(part, flags, 0o666), "r+b")  # noqa: PTH123 - pathlib has no flags


def _range_of(response: Response, have: int) -> tuple[int, int | None]:
    """Return the body's offset in the file, and the file's size if the server says it."""
    # bytes 100-199/200, bytes */200
    span, _, whole = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    if response.status_code in (206, 416):
        if response.status_code == 206 and span.partition("-")[0] != str(have):
            raise PassingError(f"the server sends another range than the one asked for: {span}")
        return have, int(whole) if whole.isdigit() else None
    length = response.headers.get("Content-Length", "")
    encoded = response.headers.get("Content-Encoding", "identity") != "identity"
    return 0, int(length) if length.isdigit() and not encoded else None


def _validator(response: Response) -> str | None:
    """Return what tells this version of the file from another: a strong ETag, else the date."""
    etag = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")


def _linked_hash(response: Response) -> Expected | None:
    """Return the content hash that the Hub gives with the redirect to a large file's storage."""
    etag = _first_header(response, "X-Linked-Etag").strip('"')
    return Expected(etag, "hub") if is_sha256(etag) else None


def _commit(response: Response) -> str | None:
    commit = _first_header(response, "X-Repo-Commit")
    return commit if is_commit(commit) else None


def _first_header(response: Response, name: str) -> str:
    return next((answer.headers[name] for answer in (*response.history, response) if name in answer.headers), "")
