"""One URL to one verified file of the cache: one transfer at a time, resumed, retried, hashed, renamed."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import os
import shutil
from typing import TYPE_CHECKING

from zoo_core.errors import WeightsError
from zoo_core.weights import sniff
from zoo_core.weights.cache import NO_SPACE, Entry, Receipt, no_space, unwritable, verified
from zoo_core.weights.connect import PassingError, back_off, open_url
from zoo_core.weights.request import UnavailableError
from zoo_core.weights.verify import CHUNK_BYTES, Expected, is_sha256, update_from

if TYPE_CHECKING:
    from collections.abc import Mapping
    from hashlib import _Hash
    from pathlib import Path

    from requests import Response

_log = logging.getLogger("zoo_core")
_PACKET_BYTES = 1 << 16  # small, as what was not written yet when a connection is cut is lost
_NAMED_BY = {"config": "config", "name": "file name", "hub": "Hub repository"}


def download(
    url: str,
    entry: Entry,
    expected: Expected | None = None,
    *,
    name: str,
    headers: Mapping[str, str] | None = None,
    progress: bool = True,
) -> Path:
    """Bring a URL into the cache.

    The content goes to a ``.part`` beside its place and is renamed once it is verified. Who finds another process or
    thread at it waits, and uses its file. A transfer that was cut off, killed or not, goes on where it was if the
    server has ranges and still the same file.

    Args:
        url: what to fetch.
        entry: its place in the cache.
        expected: the hash that it must have; None for the one that the Hub names in its answer, if it does.
        name: the model's name, for messages.
        headers: for the request.
        progress: show a bar, on a terminal.

    Raises:
        UnavailableError: when the server cannot be reached, does not have the file, or fails again and again.
        WeightsError: for a file that is not what it should be, or a cache that is full or cannot be written.
    """
    from filelock import FileLock

    try:
        entry.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(entry.lock_path):
            if entry.path.is_file():
                if verified(entry, entry.path, expected):
                    return entry.path
                entry.path.replace(entry.rejected_path)
                _log.warning("%s: %s was changed since it was fetched, fetching it again", name, entry.path)
            return _Transfer(url, entry, expected, name, dict(headers or {}), progress).run()
    except OSError as error:
        if error.errno in NO_SPACE:
            entry.part_path.unlink(missing_ok=True)
            raise no_space(entry.folder, entry.path.name) from error
        raise unwritable(entry.folder, error) from error


@dataclasses.dataclass
class _Transfer:
    """One download, under its lock."""

    url: str
    entry: Entry
    expected: Expected | None
    name: str
    headers: dict[str, str]
    progress: bool

    def run(self) -> Path:
        """Attempt until it succeeds, or has failed too often without getting anywhere."""
        failures = 0
        while True:
            before = _size(self.entry.part_path)
            try:
                return self._attempt()
            except PassingError as problem:
                got_somewhere = _size(self.entry.part_path) - before >= CHUNK_BYTES
                failures = 1 if got_somewhere else failures + 1
                back_off(problem, failures, self.url, self.name)

    def _attempt(self) -> Path:
        part, begun = self.entry.part_path, self.entry.read_receipt()
        have = _size(part) if begun and begun.url == self.url and (begun.validator or self.expected) else 0
        headers = dict(self.headers)
        if begun and have:
            headers["Range"] = f"bytes={have}-"
            if begun.validator:
                headers["If-Range"] = begun.validator
        with open_url(self.url, self.name, headers) as response:
            start, total = _range_of(response, have)
            if response.status_code == 416 and total != have:
                part.unlink()
                raise PassingError("the server's file is not the one that was begun", wait_s=0)
            self.expected = self.expected or _linked_hash(response)
            receipt = Receipt(url=self.url, size=total, validator=_validator(response), commit=_commit(response))
            digest = hashlib.sha256()
            if response.status_code == 416:
                update_from(digest, part)
            else:
                self._check_space(start, total)
                self.entry.write_receipt(receipt)
                self._receive(response, digest, start, total)
        if start and self.expected and not self.expected.matches(digest.hexdigest()):
            # The server's file may have changed under the part. Only a whole transfer is evidence against it.
            part.unlink()
            return self._attempt()
        return self._finish(digest.hexdigest(), receipt)

    def _receive(self, response: Response, digest: _Hash, start: int, total: int | None) -> None:
        """Append the answer's body to the part, and everything to the hash."""
        from tqdm import tqdm

        part = self.entry.part_path
        if start:
            update_from(digest, part)
        bar = tqdm(
            desc=self.name,
            total=total,
            initial=start,
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            disable=None if self.progress else True,  # None: unless it is a terminal
        )
        with bar, part.open("ab" if start else "wb") as file:
            for chunk in response.iter_content(_PACKET_BYTES):
                if file.tell() == 0 and (reason := sniff.not_weights(chunk)):
                    raise UnavailableError(f"{self.name}: {self.url} answers with {reason}")
                file.write(chunk)
                digest.update(chunk)
                bar.update(len(chunk))
            file.flush()
            os.fsync(file.fileno())
            received = file.tell()
        if total is not None and received != total:
            raise PassingError(f"the connection was cut at {received:,} of {total:,} bytes")

    def _finish(self, sha256: str, receipt: Receipt) -> Path:
        """Compare the hash, and put the file in its place."""
        if self.expected is None:
            _log.warning("%s: %s is unverified: nothing names its hash; a config can, as sha256", self.name, self.url)
        elif not self.expected.matches(sha256):
            self.entry.part_path.replace(self.entry.rejected_path)
            raise WeightsError(
                f"{self.name}: {self.url} has SHA-256 {sha256}, but its {_NAMED_BY[self.expected.named_by]} says "
                f"{self.expected.sha256}; it is not used, and kept aside as {self.entry.rejected_path}"
            )
        self.entry.part_path.replace(self.entry.path)
        status = self.entry.path.stat()
        self.entry.write_receipt(
            dataclasses.replace(
                receipt,
                size=status.st_size,
                mtime_ns=status.st_mtime_ns,
                sha256=sha256,
                verified_by=self.expected.named_by if self.expected else None,
            )
        )
        return self.entry.path

    def _check_space(self, start: int, total: int | None) -> None:
        needed = (total or 0) - start
        if shutil.disk_usage(self.entry.part_path.parent).free < needed:
            raise no_space(self.entry.folder, self.entry.path.name, needed)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _range_of(response: Response, have: int) -> tuple[int, int | None]:
    """Where the body starts in the file, and the whole file's size if the server says it, in bytes."""
    # bytes 100-199/200, bytes */200
    span, _, whole = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    if response.status_code == 416:
        return have, int(whole) if whole.isdigit() else None
    if response.status_code == 206:
        if span.partition("-")[0] != str(have):
            raise PassingError(f"the server sends another range than the one asked for: {span}")
        return have, int(whole) if whole.isdigit() else None
    length = response.headers.get("Content-Length", "")
    encoded = response.headers.get("Content-Encoding", "identity") != "identity"
    return 0, int(length) if length.isdigit() and not encoded else None


def _validator(response: Response) -> str | None:
    """What tells this version of the file from another: a strong ETag, else the date."""
    etag = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")


def _linked_hash(response: Response) -> Expected | None:
    """The content hash that the Hub gives with the redirect to where a large file is."""
    etag = _first_header(response, "X-Linked-Etag").strip('"')
    return Expected(etag, "hub") if is_sha256(etag) else None


def _commit(response: Response) -> str | None:
    return _first_header(response, "X-Repo-Commit") or None


def _first_header(response: Response, name: str) -> str:
    return next((answer.headers[name] for answer in (*response.history, response) if name in answer.headers), "")
