"""One URL to one verified file: one transfer at a time, and every way in which it goes wrong."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from fetching import FETCH, named, sha256, spawn, wait_for
from weight_server import Server
from zoo_core.config import PretrainedCfg
from zoo_core.errors import WeightsError
from zoo_core.weights.fetch import cached_path, fetch_weights


@pytest.mark.parametrize("expected", ["config", "name"])
def test_a_wrong_hash_is_kept_aside_and_not_used(server: Server, cache: Path, weights: bytes, expected: str) -> None:
    wrong = "0badc0de"
    url = server.add("/net.pth" if expected == "config" else f"/net-{wrong}.pth", weights)
    cfg = PretrainedCfg(url=url, sha256=wrong if expected == "config" else None)
    with pytest.raises(WeightsError) as caught:
        fetch_weights(cfg)
    message = str(caught.value)
    assert wrong in message
    assert sha256(weights) in message
    assert "\n" not in message
    assert not cached_path(cfg)
    (rejected,) = cache.rglob("*.rejected")
    assert rejected.read_bytes() == weights
    assert str(rejected) in message
    assert len(server.log) == 1, "a wrong hash does not pass by trying again"


def test_what_nothing_vouches_for_is_said_once(
    server: Server, weights: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    cfg = PretrainedCfg(url=server.add("/net.safetensors", weights))
    fetch_weights(cfg)
    fetch_weights(cfg)
    assert caplog.text.count("unverified") == 1


def test_eight_processes_make_one_transfer(server: Server, large: bytes) -> None:
    gate = threading.Event()
    url = server.add(named(large), large, gate=gate)
    processes = [spawn(url, sha256(large)) for _ in range(8)]
    wait_for(lambda: server.log, "the first request")
    gate.set()
    answers = [process.communicate(timeout=300) for process in processes]
    assert {output for output, _ in answers} == {answers[0][0]}, answers
    assert sha256(Path(answers[0][0].strip()).read_bytes()) == sha256(large)
    assert len(server.log) == 1


def test_eight_threads_make_one_transfer(server: Server, large: bytes) -> None:
    cfg = PretrainedCfg(url=server.add(named(large), large))
    with ThreadPoolExecutor(8) as pool:
        paths = set(pool.map(lambda _: fetch_weights(cfg), range(8)))
    assert {sha256(path.read_bytes()) for path in paths} == {sha256(large)}
    assert len(server.log) == 1


def test_a_page_instead_of_weights_is_refused(server: Server, cache: Path) -> None:
    url = server.add("/net.pth", b"\n<!DOCTYPE html><html><body>Log in</body></html>", content_type="text/html")
    with pytest.raises(WeightsError, match=r"^[^\n]*answers with a web page[^\n]*$"):
        fetch_weights(PretrainedCfg(url=url))
    assert not (cache / "weights" / server.key / "net.pth").exists()


PAGES = {
    "JSON": b'{"error": "rate limited", "status": 200}' + b" " * 600,
    "text": b"Not found\n",
    "HTML fragment": b"<div>Please log in</div>",
    "nothing": b"",
    "numbers": b"\x00" * 1000,
}


@pytest.mark.parametrize("kind", PAGES)
def test_what_is_no_file_of_weights_is_not_kept(server: Server, cache: Path, kind: str, large: bytes) -> None:
    url = server.add("/net.safetensors", PAGES[kind])
    with pytest.raises(WeightsError, match=r"^[^\n]*answers with [^\n]*$"):
        fetch_weights(PretrainedCfg(url=url))
    server.add("/net.safetensors", large)
    assert fetch_weights(PretrainedCfg(url=url)).read_bytes() == large


@pytest.mark.parametrize("form", ["safetensors", "zip"])
@pytest.mark.parametrize("change", [-1000, 1000])
def test_a_file_that_is_not_as_long_as_it_says_is_not_kept(
    server: Server, tmp_path: Path, form: str, change: int, large: bytes
) -> None:
    """Cut without a length, and longer than it should be."""
    if form == "zip":
        torch.save({"x": torch.arange(3000.0)}, tmp_path / "net.pth")
        large = (tmp_path / "net.pth").read_bytes()
        change = -abs(change)  # a zip is found from its end, whatever stands there
    sent = large[:change] if change < 0 else large + bytes(change)
    url = server.add("/net.weights", sent, says_length=False)
    with pytest.raises(WeightsError, match="not whole"):
        fetch_weights(PretrainedCfg(url=url))
    server.add("/net.weights", large, says_length=False)
    assert fetch_weights(PretrainedCfg(url=url)).read_bytes() == large


def test_a_full_disk_is_one_line_with_a_remedy(server: Server, cache: Path, large: bytes) -> None:
    """A limit on the size of files fails in the middle of a write, as a full disk does."""
    url = server.add(named(large), large)
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n{FETCH}"
    done = subprocess.run(
        [sys.executable, "-c", limited, url, ""], capture_output=True, text=True, timeout=120, check=False
    )
    last = done.stderr.strip().splitlines()[-1]
    assert "no space left" in last
    assert str(cache) in last
    assert "zoo cache remove" in last
    assert "ZOO_CACHE" in last
    assert not list(cache.rglob("*.part")), "what cannot be completed does not fill the disk"


def test_a_file_that_cannot_fit_is_not_begun(server: Server, cache: Path, weights: bytes) -> None:
    server.add("/net.pth", weights)
    server.resources["/net.pth"].content = Huge(weights)
    with pytest.raises(WeightsError, match=r"no space left .* bytes are needed"):
        fetch_weights(PretrainedCfg(url=f"{server.url}/net.pth"))
    assert not list(cache.rglob("*.part"))


class Huge(bytes):
    """A file that says to be larger than any disk."""

    def __len__(self) -> int:
        return 1 << 60


@pytest.mark.parametrize("folder", ["/proc/zoo", "{file}/zoo"])
def test_a_cache_that_cannot_be_written_is_one_line_with_a_remedy(
    server: Server, tmp_path: Path, weights: bytes, folder: str
) -> None:
    """Folders that root cannot write either."""
    (tmp_path / "file").write_text("")
    cache = folder.format(file=tmp_path / "file")
    with pytest.raises(
        WeightsError, match=r"^the cache folder [^\n]* cannot be written [^\n]*ZOO_CACHE[^\n]*cache_dir$"
    ):
        fetch_weights(PretrainedCfg(url=server.add(named(weights), weights)), cache_dir=cache)


def test_a_bar_is_for_terminals_only(server: Server, large: bytes) -> None:
    output, errors = spawn(server.add(named(large), large)).communicate(timeout=60)
    assert output.strip()
    assert errors == ""
