"""The Hub's client, huggingface_hub, with its errors turned into ours."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, wait
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.errors import WeightsError, said
from zoo_core.weights.hub.locations import endpoint
from zoo_core.weights.transfer.request import NotFoundError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from huggingface_hub import HfApi

LONGEST_SILENCE_S = 1200.0
"""Seconds in which the client must have received some more, which it does by ten megabytes."""


def download_file(repo: str, revision: str, filename: str, *, cache: Path, name: str, progress: bool = True) -> Path:
    """Return a repository's file in the client's cache, updated unless `revision` is a commit.

    Raises:
        NotFoundError: when the repository has no such file.
        UnavailableError: when the Hub cannot be reached, has no such repository for this user, or
            sends nothing for `LONGEST_SILENCE_S`.
        WeightsError: when the cache is full or cannot be written.
    """
    from huggingface_hub import hf_hub_download

    from zoo_core._version import __version__

    with _errors_as_ours(name, f"{filename} of {repo}@{revision}", cache), _bars(progress):
        path = _watched(
            hf_hub_download,
            cache / f"models--{repo.replace('/', '--')}" / "blobs",
            repo_id=repo,
            filename=filename,
            revision=revision,
            cache_dir=cache,
            endpoint=endpoint(),
            library_name="zoo-core",
            library_version=__version__,
        )
    return Path(path)


def _watched(download: Callable[..., str], blobs: Path, **options: Any) -> str:
    """Run a download of the client, which limits the time between two bytes, not that of all.

    So another thread runs it, and is left if need be. What comes is seen by the client's bar, and,
    where another process transfers the same file, by the size of what that writes.
    """
    from huggingface_hub.utils import tqdm  # type: ignore[attr-defined] # as below

    outcome: Future[str] = Future()
    left, updates = threading.Event(), [0]

    class Bar(tqdm):
        def update(self, n: float | None = 1) -> bool | None:
            if left.is_set():
                raise InterruptedError("nobody waits for this download")
            updates[0] += 1
            return super().update(n)

    if "tqdm_class" in signature(download).parameters:  # older clients have none
        options["tqdm_class"] = Bar

    def run() -> None:
        try:
            outcome.set_result(download(**options))
        except BaseException as error:  # for the thread that waits
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    before, since = None, time.monotonic()
    try:
        while not wait([outcome], timeout=min(1.0, LONGEST_SILENCE_S / 4)).done:
            now = updates[0], _sizes(blobs)
            if now != before:
                before, since = now, time.monotonic()
            elif time.monotonic() - since > LONGEST_SILENCE_S:
                raise TimeoutError(f"the transfer is too slow: nothing more has come in {LONGEST_SILENCE_S:.0f} s")
        return outcome.result()
    finally:
        left.set()


def _sizes(blobs: Path) -> list[int]:
    try:
        return [path.stat().st_size for path in sorted(blobs.glob("*.incomplete"))]
    except OSError:  # one of them was completed meanwhile
        return []


def upload_folder(repo: str, folder: Path, *, token: str | None, private: bool | None, message: str) -> str:
    """Upload a folder's files to a repository, made if need be; return the address of the commit.

    Raises:
        WeightsError: without the client, or when the Hub refuses.
    """
    api = _api(token)
    with _errors_as_ours(repo, f"the repository {repo}", folder):
        api.create_repo(repo, private=private, exist_ok=True)
        return str(api.upload_folder(repo_id=repo, folder_path=folder, commit_message=message))


def _api(token: str | None) -> HfApi:
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise WeightsError("sending to the Hub needs its client: pip install 'zoo-core[hub]'") from error

    return HfApi(endpoint=endpoint(), token=token, library_name="zoo-core")


@contextmanager
def _errors_as_ours(name: str, what: str, cache: Path) -> Iterator[None]:
    from huggingface_hub import errors

    from zoo_core.weights.cache.entry import NO_SPACE, no_space, unwritable

    try:
        yield
    except errors.LocalEntryNotFoundError as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise UnavailableError(f"{name}: {what}: the Hub cannot be reached ({reason})") from error
    except errors.EntryNotFoundError as error:
        raise NotFoundError(f"{name}: {what} does not exist on the Hub") from error
    except errors.GatedRepoError as error:
        raise UnavailableError(
            f"{name}: {what} is gated: accept its terms on its page, and set HF_TOKEN to a token of that account"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise UnavailableError(
            f"{name}: {what} does not exist on the Hub, or is private: HF_TOKEN then needs a token with access"
        ) from error
    except errors.HfHubHTTPError as error:
        raise UnavailableError(f"{name}: {what}: {str(error).splitlines()[0]}") from error
    except OSError as error:
        if error.errno in NO_SPACE:
            raise no_space(cache, what) from error
        if error.errno is not None:
            raise unwritable(cache, error, "HF_HUB_CACHE") from error
        raise UnavailableError(f"{name}: {what}: {error}") from error
    except Exception as error:  # whatever the client's HTTP library raises, which changes with the client's version
        raise UnavailableError(f"{name}: {what}: {said(error)}") from error


@contextmanager
def _bars(shown: bool) -> Iterator[None]:
    """Switch the client's progress bars off unless they are `shown`."""
    from huggingface_hub.utils import (  # type: ignore[attr-defined] # documented, and not in its __all__
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    if shown or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()
