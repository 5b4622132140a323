"""URLs: checked, in one spelling, and their names in the cache.

A URL that parsers could disagree about is refused before anything is looked up or connected to. So
it means the same host and path to the cache as to the library that connects, and its name never
leaves the cache folder.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple
from urllib.parse import quote, unquote

from zoo_core.errors import WeightsError

LONGEST_URL = 2000
"""Characters. Longer ones do not fit into a path either."""
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?"
_URL = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_LABEL}(\.{_LABEL})*|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{{1,5}}))?"
    r"(?P<path>/[^?#]*)?(\?(?P<query>[^#]*))?(#.*)?",
    re.IGNORECASE | re.ASCII,
)
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\\\\\ud800-\udfff]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")
_IN_PATH = "/%!$&'()*+,;=:@"  # and what `quote` never touches: letters, digits, _.-~
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.~!$&'()+,;=@ %-]{1,120}(?<![. ])")
_TAKEN = re.compile(
    r".*\.(receipt|part|lock|rejected|tmp)|aligned|package|sources|(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE
)
"""Names that mean something else in the cache, or to Windows."""


class Address(NamedTuple):
    """A URL in its one spelling, for the connection and for the cache."""

    scheme: str
    host: str
    port: int
    path: str
    """Percent-encoded, as it is sent; begins with a slash."""
    query: str | None

    @property
    def url(self) -> str:
        """The whole URL, without a fragment."""
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}{self.path}{'' if self.query is None else f'?{self.query}'}"

    @property
    def key(self) -> str:
        """The name in the cache: ``host/path``, safe as a path on every platform.

        Two addresses have one key only if they are the same. A part that cannot be a file name (a
        query, a name that is too long or taken) is followed by ``%-`` and a hash. Another port than
        that of HTTPS, and plain HTTP, follow the host: ``host+8080+http``.
        """
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f"+{self.port}"
        *folders, name = self.path.split("/")[1:]
        if self.query is not None:
            name += f"?{self.query}"
        authority = f"{self.host}{port}{'' if self.scheme == 'https' else '+http'}"
        return "/".join(map(_name_on_disk, (authority, *folders, name)))

    @property
    def file_name(self) -> str:
        """The last part of the path, decoded."""
        return unquote(self.path).rpartition("/")[2]


def parse_url(url: str) -> Address:
    """Parse a URL strictly.

    Raises:
        WeightsError: for anything but an ``http`` or ``https`` URL with a plain host, and for a URL
            that parsers disagree about.
    """
    match = _URL.fullmatch(url)
    if len(url) > LONGEST_URL:
        raise _refused(url, f"it is longer than {LONGEST_URL:,} characters")
    if _FORBIDDEN.search(url):
        raise _refused(url, "it holds a backslash, a control character or half a character")
    if not match:
        reason = "it names a user: credentials go into ~/.netrc" if "@" in url.partition("?")[0] else "it is malformed"
        raise _refused(url, f"{reason}; expected https://host[:port]/path, the host in ASCII")
    scheme = match["scheme"].lower()
    port = int(match["port"] or _DEFAULT_PORTS[scheme])
    path = _quoted(url, match["path"] or "/", _IN_PATH)
    if any(unquote(segment) in (".", "..") for segment in path.split("/")):
        raise _refused(url, "its path holds '.' or '..' as a folder")
    if not 0 < port < 65536:
        raise _refused(url, f"there is no port {port}")
    query = _quoted(url, match["query"], _IN_PATH + "?") if match["query"] else None
    return Address(scheme, match["host"].lower(), port, path, query)


def key_of(url: str) -> str:
    """Return the name in the cache of a URL, see `Address.key`."""
    return parse_url(url).key


def _quoted(url: str, text: str, safe: str) -> str:
    """Percent-encode `text` where it must be, and nowhere else: RFC 3986, 6.2.2."""
    if _BAD_ESCAPE.search(text):
        raise _refused(url, "a % in it begins no percent-encoded character")

    def spelled(match: re.Match[str]) -> str:
        character = chr(int(match[0][1:], 16))
        return character if _UNRESERVED.fullmatch(character) else match[0].upper()

    return quote(_ESCAPE.sub(spelled, text), safe=safe)


def _name_on_disk(segment: str) -> str:
    """Return a part of an address as a file name; two parts never have the same one."""
    shown = segment.replace("%20", " ")
    if _PLAIN_NAME.fullmatch(shown) and not _TAKEN.fullmatch(shown):
        return shown
    readable = re.sub(r"[^A-Za-z0-9_.=-]", "_", unquote(shown))[:80]
    return f"{readable}%-{hashlib.sha256(segment.encode()).hexdigest()[:24]}"


def _refused(url: str, reason: str) -> WeightsError:
    shown = url if len(url) <= 200 else f"{url[:200]}..."
    return WeightsError(f"the URL {shown!r} is refused: {reason}")
