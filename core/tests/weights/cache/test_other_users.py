"""A cache that another user owns: what may be read serves, and the rest is one clear error."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from weight_server import Server
from zoo_core.config import PretrainedCfg
from zoo_core.errors import WeightsError
from zoo_core.weights.cache.address import key_of
from zoo_core.weights.cache.entry import Entry, Receipt
from zoo_core.weights.fetch import fetch_weights

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or bool(os.geteuid()) or not shutil.which("setpriv"),
    reason="only the administrator can make another user's files, and setpriv an ordinary user of an administrator",
)

PROGRAM = """
import contextlib, io, json, os, sys
from zoo_core.cli.main import main
from zoo_core.config import PretrainedCfg
from zoo_core.errors import ZooError
from zoo_core.weights.fetch import fetch_weights
os.umask(int(sys.argv[1], 8))
answers = []
for kind, *arguments in json.loads(sys.argv[2]):
    out, err = io.StringIO(), io.StringIO()
    if kind == "fetch":
        try:
            answers.append(str(fetch_weights(PretrainedCfg(url=arguments[0], sha256=arguments[1]))))
        except ZooError as error:
            answers.append(f"{type(error).__name__}: {error}")
        continue
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["cache", *arguments])
    answers.append(f"{code} {out.getvalue()}{err.getvalue()}")
print(json.dumps(answers))
"""
Ask = Callable[..., list[str]]


@pytest.fixture
def ask() -> Ask:
    """Ask as an ordinary user: without the right to read and write what is others'."""

    def run(*questions: Any, umask: str = "022") -> list[str]:
        command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-c", PROGRAM, umask]
        done = subprocess.run([*command, json.dumps(questions)], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout))

    return run


@pytest.fixture
def urls(server: Server, cache: Path, weights: bytes) -> list[str]:
    """Another user's files: one whole, one begun; and one that the cache lacks."""
    whole, begun, other = (server.add(f"/{name}.safetensors", weights, etag='"1"') for name in ("whole", "begun", "x"))
    fetch_weights(PretrainedCfg(url=whole))
    entry = Entry(cache, key_of(begun))
    entry.write_receipt(Receipt(url=begun, validator='"1"', size=len(weights)))
    entry.part_path.write_bytes(weights[:50])
    return [whole, begun, other]


def give_away(cache: Path, *, folders: int, files: int) -> None:
    for path in [cache, *cache.rglob("*")]:
        path.chmod(folders if path.is_dir() else files)
        os.chown(path, 12345, 12345)


def test_one_that_may_be_read_serves(ask: Ask, cache: Path, urls: list[str]) -> None:
    give_away(cache, folders=0o755, files=0o644)
    whole, begun, other, verify, remove = ask(
        *(("fetch", url, None) for url in urls), ("cache", "verify"), ("cache", "remove")
    )
    assert whole == str(Entry(cache, key_of(urls[0])).path)
    for answer in (begun, other):
        assert answer.startswith(f"WeightsError: the cache folder {cache} cannot be written (Permission denied)")
    assert verify.startswith("0 1 of 1 files")
    assert remove.startswith("2 zoo: error: 0 files were removed, and 1 cannot be, which another user owns")


def test_files_that_may_not_be_read_are_named(ask: Ask, cache: Path, urls: list[str]) -> None:
    give_away(cache, folders=0o755, files=0o600)
    fetched, hashed, verified = ask(("fetch", urls[0], None), ("fetch", urls[0], "0" * 64), ("cache", "verify"))
    for answer in (fetched, hashed):
        assert answer.startswith("WeightsError: ")
        assert "whole.safetensors cannot be read (Permission denied)" in answer
        assert "ZOO_CACHE" in answer
    assert verified.startswith("1 0 of 1 files")
    assert "left where it is" in verified


def test_folders_that_may_not_be_read_are_said(ask: Ask, cache: Path, urls: list[str]) -> None:
    give_away(cache, folders=0o700, files=0o644)
    fetched, listed = ask(("fetch", urls[0], None), ("cache", "list"))
    assert fetched.startswith("WeightsError: the cache folder")
    assert "0 files" in listed
    assert f"{cache / 'weights'} is left out, as it cannot be read: Permission denied" in listed


def test_a_team_shares_a_cache(ask: Ask, cache: Path, urls: list[str], weights: bytes) -> None:
    """Everybody in the group may write the folders: what one has begun another completes."""
    give_away(cache, folders=0o2775, files=0o664)
    for path in [cache, *cache.rglob("*")]:
        os.chown(path, 12345, os.getegid())
    answers = ask(*(("fetch", url, None) for url in urls), ("cache", "remove", "begun"), umask="002")
    assert [Path(answer).read_bytes() == weights for answer in answers[:3] if answer != answers[1]] == [True, True]
    assert answers[3].startswith("0 ")
    locks = [path for path in cache.rglob("*.lock") if path.stat().st_uid == os.geteuid()]
    assert all(path.stat().st_mode & 0o020 for path in locks), "another of the team can take it"


def test_a_part_that_may_not_be_written_is_begun_anew(
    ask: Ask, cache: Path, urls: list[str], weights: bytes, server: Server
) -> None:
    give_away(cache, folders=0o777, files=0o644)
    (path,) = ask(("fetch", urls[1], None))
    assert Path(path).read_bytes() == weights
    assert "Range" not in server.log[-1].headers


def test_a_file_of_the_user_that_may_not_be_read_is_named(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes(b"x")
    path.chmod(0)
    os.chown(path, 12345, 12345)
    (answer,) = ask(("fetch", f"file:{path}", "0" * 64))
    assert answer.startswith("WeightsError: ")
    assert "mine.safetensors cannot be read (Permission denied)" in answer
    with pytest.raises(WeightsError, match="has SHA-256"):
        fetch_weights(PretrainedCfg(url=f"file:{path}", sha256="0" * 64))
