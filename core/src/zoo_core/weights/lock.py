"""The lock of a project: the one file of weights, byte for byte, that each of its sources may give.

::

    {"version": 1, "weights": [{
        "name": "resnet50.a1_in1k", "source": "hf-hub:timm/resnet50.a1_in1k",
        "sha256": "c16a5b...", "size": 102469840, "revision": "767268603ca0...",
        "plugin": "zoo-resnet 0.1.0", "manifest": "8a1f..."}]}

``zoo lock`` writes it, and a plugin may have one among its files. While the variable ``ZOO_LOCK``
names one, ``zoo.lock`` or ``package:zoo_yours/zoo.lock``, `held` gives every request of
`zoo_core.weights.fetch` its hash and revision, so that each source verifies as for a config's own
hash, and refuses what the lock does not have. A file that the user names is the user's own.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.discovery.resources import read_data, read_file
from zoo_core.errors import ConfigError, PluginError, WeightsError
from zoo_core.weights.cache.entry import write_atomically
from zoo_core.weights.cache.paths import user_path
from zoo_core.weights.cache.verify import is_commit, is_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zoo_core.weights.transfer.request import FetchRequest

VARIABLE = "ZOO_LOCK"
"""The variable with the path of the lock that this process is held to."""
DEFAULT = "zoo.lock"
_IN_PACKAGE = "package:"
_VERSION = 1
_LARGEST = 10_000_000  # bytes; the weights of 10,000 models take three
_TEXT = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,2000}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Locked:
    """One file of weights."""

    name: str
    """The model's, as it was asked for."""
    source: str
    """As in `zoo_core.weights.transfer.request.FetchRequest`."""
    sha256: str
    size: int
    """Bytes."""
    revision: str | None = None
    """The commit of the Hub repository."""
    plugin: str | None = None
    """The distribution that offers the model, with its version; None for a repository."""
    manifest: str | None = None
    """SHA-256 of that plugin's manifest and default configs."""

    def __post_init__(self) -> None:
        """Refuse what ``zoo lock`` does not write."""
        texts = [self.name, self.source, *filter(None, (self.plugin, self.manifest))]
        if not all(isinstance(text, str) and _TEXT.fullmatch(text) for text in texts):
            raise ValueError("a text in it is none, too long, or holds control characters")
        if not isinstance(self.sha256, str) or not is_sha256(self.sha256):
            raise ValueError(f"the SHA-256 of {self.name} is none")
        if type(self.size) is not int or self.size < 0:
            raise ValueError(f"the size of {self.name} is none")
        if self.revision is not None and not (isinstance(self.revision, str) and is_commit(self.revision)):
            raise ValueError(f"the revision of {self.name} is no commit")


def read_lock(path: str | os.PathLike[str]) -> list[Locked]:
    """Read a lock file: a path, or ``package:NAME/FILE`` for an installed package's.

    Raises:
        ConfigError: for a file that cannot be read, or is no lock.
    """
    try:
        values = json.loads(_content(path))
        if not isinstance(values, dict) or values.get("version") != _VERSION:
            raise ValueError(f"it is not of version {_VERSION}")
        return [Locked(**row) for row in values["weights"]]
    except PluginError as error:
        raise ConfigError(f"the lock {path} cannot be read: {error}") from error
    except OSError as error:
        raise ConfigError(
            f"the lock {path} cannot be read ({error.strerror or error}): write it with `zoo lock NAME...`"
        ) from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ConfigError(f"{path} is no lock, write one with `zoo lock`: {str(error)[:200]}") from error


def _content(path: str | os.PathLike[str]) -> bytes:
    package, _, name = str(path).removeprefix(_IN_PACKAGE).partition("/")
    content = read_data(package, name) if str(path).startswith(_IN_PACKAGE) else read_file(str(user_path(path)))
    if len(content) > _LARGEST:
        raise ValueError(f"it is larger than {_LARGEST:,} bytes")
    return content


def write_lock(path: str | os.PathLike[str], weights: Iterable[Locked]) -> None:
    """Write a lock file, whole or not at all: the same weights give the same bytes.

    Raises:
        ConfigError: when it cannot be written.
    """
    if str(path).startswith(_IN_PACKAGE):
        raise ConfigError(f"the lock {path} is an installed package's: name your own file with --output")
    rows = [
        {key: value for key, value in dataclasses.asdict(each).items() if value is not None}
        for each in sorted(weights, key=lambda each: (each.name, each.source))
    ]
    text = json.dumps({"version": _VERSION, "weights": rows}, indent=1)
    try:
        write_atomically(user_path(path), f"{text}\n".encode())
    except OSError as error:
        raise ConfigError(f"the lock {path} cannot be written: {error.strerror or error}") from error


def held(requests: Sequence[FetchRequest]) -> list[FetchRequest]:
    """Return the requests that ``ZOO_LOCK`` allows, with its hashes, at its revisions.

    Raises:
        ConfigError: for a lock that is none.
        WeightsError: when it has none of them, or another hash than the config.
    """
    path = os.environ.get(VARIABLE, "")
    if not path:
        return list(requests)
    known = {each.source: each for each in read_lock(path)}
    kept = []
    for request in requests:
        if request.scheme in ("", "file"):
            kept.append(request)
        elif entry := known.get(request.source):
            if request.sha256 and not entry.sha256.startswith(request.sha256.lower()):
                raise WeightsError(
                    f"{request.name}: its config expects SHA-256 {request.sha256}, and {path} has {entry.sha256}: "
                    "see why it has changed, then lock it again with `zoo lock`"
                )
            as_asked = dataclasses.replace(request, sha256=entry.sha256)
            if entry.revision and "@" not in request.location:
                kept.append(dataclasses.replace(as_asked, source=f"{request.source}@{entry.revision}"))
            kept.append(as_asked)
    if not kept and requests:
        sources = " and ".join(request.source for request in requests)
        raise WeightsError(
            f"{requests[0].name}: {VARIABLE}={path} does not have {sources}, and nothing else may be used. "
            f"Where that is wanted, add it: zoo lock NAME..."
        )
    return kept


def pinned(location: str) -> str:
    """Return a repository's ``org/repo`` at the commit that ``ZOO_LOCK`` has, if it has one."""
    path = os.environ.get(VARIABLE, "")
    if not path or "@" in location:
        return location
    commits = {each.revision for each in read_lock(path) if each.source.partition("@")[0] == f"hf-hub:{location}"}
    return f"{location}@{commits.pop()}" if len(commits - {None}) == len(commits) == 1 else location


def revision_of(request: FetchRequest, path: Path) -> str | None:
    """Return the commit that a fetched file is of, if it is a Hub repository's."""
    from zoo_core.weights.cache.entry import Entry

    if request.scheme != "hf-hub":
        return None
    asked = request.location.partition("@")[2]
    *_, above = path.parts[: -len(Path(request.filename or "x").parts)] or ("",)
    own = request.cache_dir / "weights"
    receipt = Entry(request.cache_dir, path.relative_to(own).as_posix()).read_receipt() if own in path.parents else None
    found = (asked, above, (receipt and receipt.commit) or "")
    return next(filter(is_commit, found), None)


def described(name: str, request: FetchRequest, path: Path, sha256: str, **plugin: Any) -> Locked:
    """Return the lock's row of a fetched file."""
    commit = revision_of(request, path)
    return Locked(name=name, source=request.source, sha256=sha256, size=path.stat().st_size, revision=commit, **plugin)
