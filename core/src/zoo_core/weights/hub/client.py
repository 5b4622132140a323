"""The Hub's client, huggingface_hub, with its errors turned into ours."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.errors import WeightsError
from zoo_core.weights.hub.locations import endpoint
from zoo_core.weights.transfer.request import NotFoundError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from huggingface_hub import HfApi


def download_file(repo: str, revision: str, filename: str, *, cache: Path, name: str, progress: bool = True) -> Path:
    """Return a repository's file in the client's cache, updated unless `revision` is a commit.

    Raises:
        NotFoundError: when the repository has no such file.
        UnavailableError: when the Hub cannot be reached, or has no such repository for this user.
        WeightsError: when the cache is full or cannot be written.
    """
    from huggingface_hub import hf_hub_download

    from zoo_core._version import __version__

    with _errors_as_ours(name, f"{filename} of {repo}@{revision}", cache), _bars(progress):
        path = hf_hub_download(
            repo,
            filename,
            revision=revision,
            cache_dir=cache,
            endpoint=endpoint(),
            library_name="zoo-core",
            library_version=__version__,
        )
    return Path(path)


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
        raise UnavailableError(f"{name}: {what}: {type(error).__name__}: {error}") from error


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
