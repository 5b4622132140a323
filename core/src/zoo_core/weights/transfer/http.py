"""Requests over HTTP. A failure is passing, missing (for another source to try), or final."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar

import requests
from urllib3.exceptions import DecodeError, HTTPError

from zoo_core.weights.cache.address import parse_url
from zoo_core.weights.transfer.request import NotFoundError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from requests import PreparedRequest, Response

_log = logging.getLogger("zoo_core")
TIMEOUT_S = (10.0, 60.0)
"""To connect, and between two packets."""
ANSWER_S = 120.0
"""Until a server, and those that it redirects to, have sent their headers whole."""
LEAST_PROGRESS = (60_000, 60.0)
"""Bytes that must come in so many seconds; a slower transfer is broken off, and resumed later."""
LONGEST_WAIT_S = 120.0
"""The longest wait for a server that asks to come back later."""
PASSING_STATUS = (408, 425, 429, 500, 502, 503, 504)
ATTEMPTS = 5
FIRST_BACKOFF_S = 0.5
PACKET_BYTES = 1 << 16  # small, as what was not written yet when a connection is cut is lost
CHUNK_BYTES = 1 << 20
"""Bytes after which a transfer that failed has made progress."""
LARGEST_SMALL_FILE = 10_000_000
"""Bytes of a file that is kept in memory, such as a repository's config."""
_T = TypeVar("_T")


class PassingError(Exception):
    """A failure that another attempt may not meet."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s
        """The wait that the server asked for, in seconds."""


@contextmanager
def open_url(url: str, name: str, headers: Mapping[str, str] | None = None) -> Iterator[Response]:
    """Yield the streamed answer of a URL: 200, 206, or 416 to a range. `read_body` reads its body.

    Proxies and netrc are as requests has them.

    Raises:
        PassingError: for what may pass, while the body is read, too.
        NotFoundError: for a missing file.
        UnavailableError: for every other failure.
        WeightsError: for a URL that is refused, see `zoo_core.weights.cache.address.parse_url`.
    """
    from zoo_core._version import __version__

    url = parse_url(url).url
    if requests.Request("GET", url).prepare().url != url:
        raise UnavailableError(f"{name}: {url} is refused: the library that connects takes it for another address")
    sent = {"User-Agent": f"zoo-core/{__version__}", "Accept-Encoding": "identity", **(headers or {})}
    try:
        with _Session() as session, _answer(session, url, sent) as response:
            _check_status(response, url, name)
            yield response
    except requests.exceptions.SSLError as error:
        raise UnavailableError(
            f"{name}: {url} has a certificate that is not trusted ({_innermost(error)}); "
            "REQUESTS_CA_BUNDLE names the file of another authority"
        ) from error
    except (
        requests.exceptions.ConnectionError,
        requests.exceptions.Timeout,
        requests.exceptions.ChunkedEncodingError,
        requests.exceptions.ContentDecodingError,
        HTTPError,  # of urllib3, from under requests, while the body is read
    ) as error:
        raise PassingError(_innermost(error)) from error
    except (requests.exceptions.RequestException, ValueError) as error:
        # urllib3 and http.client raise various ValueErrors for headers and redirects that make no
        # sense.
        raise UnavailableError(f"{name}: {url} cannot be fetched: {error}") from error


class _Session(requests.Session):
    """A session that does not read the bodies of redirects, which may never end."""

    def get_redirect_target(self, resp: Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target is not None:
            resp.close()
        return target

    def rebuild_method(self, prepared_request: PreparedRequest, response: Response) -> None:
        """Follow a redirect, but not from HTTPS to HTTP, which anybody on the way can change."""
        if response.url.startswith("https:") and str(prepared_request.url).startswith("http:"):
            raise requests.exceptions.InvalidURL(f"it redirects from HTTPS to HTTP: {prepared_request.url}")
        super().rebuild_method(prepared_request, response)


def _answer(session: requests.Session, url: str, headers: Mapping[str, str]) -> Response:
    """Send the request and wait for the headers of the answer, up to `ANSWER_S` seconds.

    requests limits the time between two bytes, not that of all. So another thread waits, and is
    left if need be.
    """
    outcome: Future[Response] = Future()

    def ask() -> None:
        try:
            outcome.set_result(session.get(url, headers=headers, stream=True, timeout=TIMEOUT_S))
        except BaseException as error:  # for the thread that waits
            outcome.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return outcome.result(ANSWER_S)
    except TimeoutError:
        outcome.add_done_callback(lambda late: None if late.exception() else late.result().close())
        raise PassingError(f"the server did not answer within {ANSWER_S:.0f} s") from None


class EncodingError(PassingError):
    """A body that is not encoded as its headers say."""


def read_body(response: Response, *, decoded: bool = True) -> Iterator[bytes]:
    """Yield the answer's body in packets of at most `PACKET_BYTES`, each as soon as it has come.

    Args:
        response: of `open_url`.
        decoded: False for the bytes as they come, whatever encoding the headers name.

    Raises:
        EncodingError: for a body that cannot be decoded.
        PassingError: for a transfer that is slower than `LEAST_PROGRESS`.
    """
    least, seconds = LEAST_PROGRESS
    received, stalled, ended = 0, threading.Event(), threading.Event()

    def watch() -> None:
        before = 0
        while not ended.wait(seconds):
            if received - before < least:
                stalled.set()
                response.raw.shutdown()  # which ends a read that waits in the other thread
                return
            before = received

    threading.Thread(target=watch, daemon=True).start()
    try:
        while packet := response.raw.read1(PACKET_BYTES, decode_content=decoded):
            received += len(packet)
            yield packet
    except DecodeError as error:
        raise EncodingError(str(error.args[0]), wait_s=0) from error
    except Exception:  # whatever a reader stumbles over whose socket was shut
        if not stalled.is_set():
            raise
    finally:
        ended.set()
    if stalled.is_set():
        raise PassingError(f"the transfer is too slow: less than {least:,} bytes came in {seconds:.0f} s")


def get_small(url: str, name: str, headers: Mapping[str, str]) -> tuple[bytes, Mapping[str, str]]:
    """Return a small file's content and the headers of the first answer, which the Hub fills.

    Raises:
        UnavailableError: when it cannot be had, or is larger than `LARGEST_SMALL_FILE`.
    """

    def attempt() -> tuple[bytes, Mapping[str, str]]:
        with open_url(url, name, headers) as response:
            if response.status_code != 200:
                raise UnavailableError(f"{name}: {url} answers {response.status_code} to a plain request")
            content = bytearray()
            for packet in read_body(response):
                content += packet
                if len(content) > LARGEST_SMALL_FILE:
                    raise UnavailableError(f"{name}: {url} is larger than {LARGEST_SMALL_FILE:,} bytes")
            return bytes(content), (response.history or [response])[0].headers

    return retried(attempt, url, name)


def retried(attempt: Callable[[], _T], url: str, name: str, size: Callable[[], int] = lambda: 0) -> _T:
    """Return the result of `attempt`; after a `PassingError` repeat it, with growing waits.

    Args:
        attempt: opens the URL.
        url: for messages.
        name: the model's, for messages.
        size: how many bytes the file on disk has; the count starts again where an attempt has added
            `CHUNK_BYTES`.

    Raises:
        UnavailableError: after `ATTEMPTS` failures without progress.
    """
    failures = 0
    while True:
        before = size()
        try:
            return attempt()
        except PassingError as problem:
            failures = 1 if size() - before >= CHUNK_BYTES else failures + 1
            if failures >= ATTEMPTS:
                raise UnavailableError(
                    f"{name}: {url} cannot be reached: {problem} ({failures} attempts). "
                    "Check the network and the proxy, or name a mirror with ZOO_MIRROR"
                ) from problem
            wait_s = FIRST_BACKOFF_S * 2 ** (failures - 1) if problem.wait_s is None else problem.wait_s
            _log.warning("%s: %s; trying again in %.3g s", name, problem, wait_s)
            time.sleep(wait_s)


def _check_status(response: Response, url: str, name: str) -> None:
    status, reason = response.status_code, f"{response.status_code} {response.reason}"
    if status in (200, 206, 416):
        return
    if status in PASSING_STATUS:
        wait_s = _seconds(response.headers.get("Retry-After"))
        if wait_s is not None and wait_s > LONGEST_WAIT_S:
            raise UnavailableError(
                f"{name}: {url}: the server answers {reason}, and asks to come back in {wait_s:.0f} s"
            )
        raise PassingError(f"the server answers {reason}", wait_s)
    if status in (404, 410):
        raise NotFoundError(f"{name}: {url} does not exist ({status})")
    if status in (401, 403):
        raise UnavailableError(
            f"{name}: {url} refuses access ({status}): credentials go into ~/.netrc, the Hub's into HF_TOKEN"
        )
    raise UnavailableError(f"{name}: {url} answers {reason}")


def _seconds(retry_after: str | None) -> float | None:
    """Return a Retry-After header, seconds or a date, in seconds from now.

    urllib3's `Retry` reads it too, but cuts what is longer than six hours, and fails on a date that
    is none.
    """
    if not retry_after:
        return None
    if retry_after.strip().isdigit():
        return float(retry_after[:20])
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _innermost(error: BaseException) -> str:
    """Return the message at the bottom of the layers of requests and urllib3, in a line."""
    while True:
        first = error.args[0] if error.args else None
        inner = getattr(error, "reason", None) or first
        if not isinstance(inner, BaseException):
            break
        error = inner
    text = str(error.args[-1] if error.args else error)
    return text.rpartition(": ")[2] or type(error).__name__
