"""HTTP by requests: what fails is told apart into what passes, what another source may have, and what is final."""

from __future__ import annotations

import time
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NoReturn

from zoo_core.weights.request import NotFoundError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from requests import Response

TIMEOUT_S = (10.0, 60.0)
"""To connect, and between two packets."""
LONGEST_WAIT_S = 120.0
"""A server that asks for more is not waited for."""
PASSING_STATUS = (408, 425, 429, 500, 502, 503, 504)
ATTEMPTS = 5
FIRST_BACKOFF_S = 0.5


class PassingError(Exception):
    """A failure that may be gone on another attempt."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s
        """What the server asked for, in seconds."""


@contextmanager
def open_url(url: str, name: str, headers: Mapping[str, str] | None = None) -> Iterator[Response]:
    """A streamed answer: 200, 206, or 416 to a range. Proxies and netrc are as requests has them.

    Raises:
        PassingError: for what may pass, while the body is read, too.
        NotFoundError: where there is no such file.
        UnavailableError: for everything else.
    """
    import requests

    from zoo_core import __version__

    sent = {"User-Agent": f"zoo-core/{__version__}", "Accept-Encoding": "identity", **(headers or {})}
    try:
        with requests.Session() as session, session.get(url, headers=sent, stream=True, timeout=TIMEOUT_S) as response:
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
    ) as error:
        raise PassingError(_innermost(error)) from error
    except requests.exceptions.RequestException as error:
        raise UnavailableError(f"{name}: {url} cannot be fetched: {error}") from error


def get_small(url: str, name: str, headers: Mapping[str, str]) -> tuple[bytes, Mapping[str, str]]:
    """A small file's content and the headers of the first answer, which on the Hub are those that say something.

    Raises:
        UnavailableError: when it cannot be had.
    """
    failures = 0
    while True:
        try:
            with open_url(url, name, headers) as response:
                return response.content, (response.history or [response])[0].headers
        except PassingError as problem:
            failures += 1
            back_off(problem, failures, url, name)


def back_off(problem: PassingError, failures: int, url: str, name: str) -> None:
    """Sleep before the next attempt.

    Raises:
        UnavailableError: after the last one.
    """
    if failures >= ATTEMPTS:
        raise UnavailableError(
            f"{name}: {url} cannot be reached: {problem} ({failures} attempts). "
            "Check the network and the proxy, or name a mirror with ZOO_MIRROR"
        ) from problem
    time.sleep(FIRST_BACKOFF_S * 2 ** (failures - 1) if problem.wait_s is None else problem.wait_s)


def _check_status(response: Response, url: str, name: str) -> None:
    status = response.status_code
    if status in (200, 206, 416):
        return
    if status in PASSING_STATUS:
        _raise_passing(response, url, name)
    if status in (404, 410):
        raise NotFoundError(f"{name}: {url} does not exist ({status})")
    if status in (401, 403):
        raise UnavailableError(
            f"{name}: {url} refuses access ({status}): credentials go into ~/.netrc, the Hub's into HF_TOKEN"
        )
    raise UnavailableError(f"{name}: {url} answers {status} {response.reason}")


def _raise_passing(response: Response, url: str, name: str) -> NoReturn:
    reason = f"the server answers {response.status_code} {response.reason}"
    wait_s = _seconds(response.headers.get("Retry-After"))
    if wait_s is not None and wait_s > LONGEST_WAIT_S:
        raise UnavailableError(f"{name}: {url}: {reason}, and asks to come back in {wait_s:.0f} s")
    raise PassingError(reason, wait_s)


def _seconds(retry_after: str | None) -> float | None:
    """A Retry-After header, seconds or a date, in seconds from now."""
    if not retry_after:
        return None
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None


def _innermost(error: BaseException) -> str:
    """What went wrong at the bottom of the layers of requests and urllib3, in a line."""
    while True:
        first = error.args[0] if error.args else None
        inner = getattr(error, "reason", None) or first
        if not isinstance(inner, BaseException):
            break
        error = inner
    text = str(error.args[-1] if error.args else error)
    return text.rpartition(": ")[2] or type(error).__name__
