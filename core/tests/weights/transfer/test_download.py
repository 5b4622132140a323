"""Weights from a URL: verified, resumed, retried, kept once, and every way in which that goes wrong."""

import base64
import hashlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path

import pytest
from safetensors.torch import load_file
from weight_server import Server
from zoo_core.config import PretrainedCfg
from zoo_core.errors import WeightsError
from zoo_core.weights.fetch import fetch_weights, is_cached
from zoo_core.weights.transfer import http

FETCH = """
import sys
from zoo_core.config import PretrainedCfg
from zoo_core.weights.fetch import fetch_weights
print(fetch_weights(PretrainedCfg(url=sys.argv[1], sha256=sys.argv[2] or None)))
"""


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def named(content: bytes) -> str:
    """A torch-style path, with the hash in the name."""
    return f"/models/net-{sha256(content)[:8]}.safetensors"


def spawn(url: str, expected: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, url, expected], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.01)


def test_a_url_becomes_a_verified_file_that_is_fetched_once(server: Server, cache: Path, weights: bytes) -> None:
    cfg = PretrainedCfg(url=server.add(named(weights), weights))
    assert not is_cached(cfg)
    path = fetch_weights(cfg)
    assert path == cache / "weights" / server.key / named(weights)[1:]
    assert path.read_bytes() == weights
    assert is_cached(cfg)
    assert fetch_weights(cfg) == path
    assert len(server.log) == 1


def test_cache_dir_is_used_instead_of_the_variable(server: Server, tmp_path: Path, cache: Path, weights: bytes) -> None:
    path = fetch_weights(PretrainedCfg(url=server.add(named(weights), weights)), cache_dir=tmp_path / "mine")
    assert path.is_relative_to(tmp_path / "mine")
    assert not cache.exists()


def test_addresses_that_differ_in_their_query_are_different_files(server: Server, weights: bytes) -> None:
    url = server.add("/file", weights)
    paths = {fetch_weights(PretrainedCfg(url=f"{url}?version={version}")) for version in (1, 2)}
    assert len(paths) == 2


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
    assert not is_cached(cfg)
    (rejected,) = cache.rglob("*.rejected")
    assert rejected.read_bytes() == weights
    assert str(rejected) in message
    assert len(server.log) == 1, "a wrong hash does not pass by trying again"


def test_a_changed_file_in_the_cache_is_noticed_and_fetched_again(
    server: Server, weights: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    cfg = PretrainedCfg(url=server.add("/net.safetensors", weights))
    path = fetch_weights(cfg)
    path.write_bytes(bytes(len(weights)))
    assert fetch_weights(cfg).read_bytes() == weights
    assert "was changed since it was fetched" in caplog.text
    assert len(server.log) == 2


def test_what_nothing_vouches_for_is_said_once(
    server: Server, weights: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    cfg = PretrainedCfg(url=server.add("/net.safetensors", weights))
    fetch_weights(cfg)
    fetch_weights(cfg)
    assert caplog.text.count("unverified") == 1


@pytest.mark.parametrize("status", [500, 503, 429])
def test_what_passes_is_tried_again(server: Server, weights: bytes, status: int) -> None:
    url = server.add(named(weights), weights, failures=[(status, {}), (status, {})])
    assert fetch_weights(PretrainedCfg(url=url)).read_bytes() == weights
    assert [request.status for request in server.log] == [status, status, 200]


def test_retry_after_is_waited_for(server: Server, weights: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_BACKOFF_S", 1000.0)
    date = formatdate(time.time() - 5, usegmt=True)
    url = server.add(named(weights), weights, failures=[(429, {"Retry-After": "1"}), (503, {"Retry-After": date})])
    start = time.monotonic()
    fetch_weights(PretrainedCfg(url=url))
    assert time.monotonic() - start >= 1


def test_a_server_that_asks_for_too_long_a_wait_is_not_waited_for(server: Server, weights: bytes) -> None:
    url = server.add(named(weights), weights, failures=[(429, {"Retry-After": "86400"})])
    with pytest.raises(WeightsError, match="come back in 86400 s"):
        fetch_weights(PretrainedCfg(url=url))


def test_a_server_that_goes_on_failing_is_given_up(server: Server, weights: bytes) -> None:
    url = server.add(named(weights), weights, failures=[(503, {})] * 100)
    with pytest.raises(WeightsError, match=r"cannot be reached: the server answers 503 .*5 attempts.*ZOO_MIRROR"):
        fetch_weights(PretrainedCfg(url=url))
    assert len(server.log) == 5


@pytest.mark.parametrize(("status", "message"), [(404, "does not exist"), (410, "does not exist"), (403, "netrc")])
def test_what_does_not_pass_is_not_tried_again(server: Server, status: int, message: str) -> None:
    url = server.add("/net.pth", b"", failures=[(status, {})] * 100)
    with pytest.raises(WeightsError, match=message):
        fetch_weights(PretrainedCfg(url=url))
    assert len(server.log) == 1


def test_a_cut_connection_goes_on_where_it_was(server: Server, large: bytes) -> None:
    url = server.add(named(large), large, etag='"1"', cuts=[2_000_000, 3_000_000])
    assert fetch_weights(PretrainedCfg(url=url)).read_bytes() == large
    first, second, third = server.log
    assert "Range" not in first.headers
    assert second.headers["If-Range"] == '"1"'
    assert (second.status, third.status) == (206, 206)
    assert 1_900_000 < int(second.headers["Range"][6:-1]) <= 2_000_000


def test_without_ranges_a_cut_transfer_starts_again(server: Server, large: bytes) -> None:
    url = server.add(named(large), large, ranges=False, cuts=[2_000_000])
    assert fetch_weights(PretrainedCfg(url=url)).read_bytes() == large
    assert [request.status for request in server.log] == [200, 200]


@pytest.mark.parametrize("etag", ['"1"', None])
def test_a_file_that_changed_under_its_part_is_fetched_whole(server: Server, large: bytes, etag: str | None) -> None:
    """By its ETag where the server gives one, else by the hash of what came together."""
    path = "/net.safetensors"
    url = server.add(path, bytes(len(large)), etag='"0"' if etag else None, cuts=[2_000_000, *[0] * 100])
    cfg = PretrainedCfg(url=url, sha256=sha256(large))
    with pytest.raises(WeightsError, match="cannot be reached"):
        fetch_weights(cfg)
    server.add(path, large, etag=etag)
    assert fetch_weights(cfg).read_bytes() == large


def test_a_part_that_is_whole_already_is_verified_and_used(server: Server, cache: Path, large: bytes) -> None:
    url = server.add(named(large), large, cuts=[2_000_000] + [0] * 10)
    with pytest.raises(WeightsError):
        fetch_weights(PretrainedCfg(url=url))
    (part,) = cache.rglob("*.part")
    part.write_bytes(large)
    server.resources[named(large)].cuts = []
    assert fetch_weights(PretrainedCfg(url=url)).read_bytes() == large
    assert server.log[-1].status == 416


def test_a_killed_process_leaves_a_part_that_the_next_one_completes(server: Server, cache: Path, large: bytes) -> None:
    gate = threading.Event()
    url = server.add(named(large), large, etag='"1"', gate=gate)
    process = spawn(url)
    wait_for(lambda: any(part.stat().st_size >= 2_000_000 for part in cache.rglob("*.part")), "half a transfer")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert not (cache / "weights" / server.key / named(large)[1:]).exists(), "nothing is in place half"
    (part,) = cache.rglob("*.part")
    have = part.stat().st_size
    gate.set()
    output, errors = spawn(url).communicate(timeout=120)
    assert Path(output.strip()).read_bytes() == large, errors
    assert server.log[-1].headers["Range"] == f"bytes={have}-"
    assert server.log[-1].status == 206
    assert not list(cache.rglob("*.part"))


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


def test_an_unreachable_host_is_one_line_with_a_remedy() -> None:
    with pytest.raises(WeightsError, match=r"^resnet18.x: http://127.0.0.1:9/net.pth cannot be reached: [^\n]*proxy"):
        fetch_weights(PretrainedCfg(url="http://127.0.0.1:9/net.pth", architecture="resnet18", tag="x"))


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


def test_files_of_torch_hub_serve(server: Server, tmp_path: Path, weights: bytes, cache: Path) -> None:
    cfg = PretrainedCfg(url=f"{server.url}{named(weights)}")
    theirs = tmp_path / "torch" / "hub" / "checkpoints" / Path(named(weights)).name
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(weights)
    assert is_cached(cfg)
    assert fetch_weights(cfg) == theirs
    theirs.write_bytes(b"something else")
    with pytest.raises(WeightsError, match="does not exist"):
        fetch_weights(cfg)
    assert theirs.read_bytes() == b"something else", "another program's file is left as it is"


def test_a_file_of_torch_hub_with_the_same_name_and_no_hash_is_not_taken_for_ours(
    server: Server, tmp_path: Path, weights: bytes
) -> None:
    theirs = tmp_path / "torch" / "hub" / "checkpoints" / "model.pth"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"something else")
    assert fetch_weights(PretrainedCfg(url=server.add("/model.pth", weights))).read_bytes() == weights


def test_a_cache_that_is_only_read_serves(server: Server, cache: Path, weights: bytes) -> None:
    """A shared cache without receipts and without the right to write them."""
    cfg = PretrainedCfg(url=server.add(named(weights), weights))
    path = fetch_weights(cfg)
    path.with_name(f"{path.name}.receipt").unlink()
    path.with_name(f"{path.name}.receipt").mkdir()
    assert fetch_weights(cfg) == path
    assert len(server.log) == 1


def test_the_mirror_is_asked_first_and_its_publisher_after_it(
    server: Server, weights: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_MIRROR", f"{server.url}/mirror/")
    server.add(f"/mirror/weights.example{named(weights)}", weights)
    path = fetch_weights(PretrainedCfg(url=f"https://weights.example{named(weights)}"))
    assert path.read_bytes() == weights
    assert "weights.example" in path.parts, "kept under its publisher's address, with or without the mirror"
    url = server.add("/net.safetensors", weights)
    assert fetch_weights(PretrainedCfg(url=url)).read_bytes() == weights
    assert [request.status for request in server.log] == [200, 404, 200]


def test_a_cache_is_a_mirror(server: Server, cache: Path, weights: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = PretrainedCfg(url=server.add("/a folder/net.safetensors", weights), sha256=sha256(weights))
    path = fetch_weights(cfg)
    server.resources.clear()
    server.add(f"/{path.relative_to(cache / 'weights').as_posix()}", weights)
    monkeypatch.setenv("ZOO_MIRROR", server.url)
    assert fetch_weights(cfg, cache_dir=cache / "other").read_bytes() == weights


def test_a_proxy_is_gone_through(server: Server, weights: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    server.add(named(weights), weights)
    assert fetch_weights(PretrainedCfg(url=f"http://weights.example{named(weights)}")).read_bytes() == weights
    assert server.log[0].headers["Host"] == "weights.example"


def test_credentials_come_from_netrc(
    server: Server, weights: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    fetch_weights(PretrainedCfg(url=server.add(named(weights), weights)))
    assert server.log[0].headers["Authorization"] == f"Basic {base64.b64encode(b'me:secret').decode()}"


@pytest.mark.parametrize("variable", ["ZOO_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_opens_no_socket_and_says_where_it_looked(server: Server, weights: bytes, variable: str) -> None:
    """In a process in which opening a socket is fatal."""
    url = server.add(named(weights), weights)
    fetch_weights(PretrainedCfg(url=url))
    forbid = "import os, sys; sys.addaudithook(lambda event, _: event.startswith('socket.') and os._exit(9))\n"
    environment = {**os.environ, variable: "1"}
    command = [sys.executable, "-c", forbid + FETCH]
    known = subprocess.run(
        [*command, url, ""], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (known.returncode, Path(known.stdout.strip()).read_bytes()) == (0, weights)
    other = "https://weights.example/net-00000000.pth"
    missing = subprocess.run(
        [*command, other, ""], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert missing.returncode == 1
    assert f"{variable} forbids" in missing.stderr
    assert "weights.example/net-00000000.pth" in missing.stderr
    assert "checkpoints/net-00000000.pth" in missing.stderr


def test_a_local_file_needs_none_of_the_libraries_for_networks(tmp_path: Path) -> None:
    code = (
        "import sys; from zoo_core.config import PretrainedCfg; from zoo_core.weights.fetch import fetch_weights;"
        "fetch_weights(PretrainedCfg(file=sys.argv[1]));"
        "print({'requests', 'tqdm', 'huggingface_hub', 'filelock', 'urllib3'} & set(sys.modules))"
    )
    file = tmp_path / "net.pth"
    file.write_bytes(b"x")
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "set()"


def test_a_bar_is_for_terminals_only(server: Server, large: bytes) -> None:
    output, errors = spawn(server.add(named(large), large)).communicate(timeout=60)
    assert output.strip()
    assert errors == ""


def test_a_non_commercial_licence_is_shown_once(
    server: Server, weights: bytes, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo_core.weights import licence

    cfg = PretrainedCfg(
        url=server.add(named(weights), weights),
        license="cc-by-nc-4.0",
        architecture="net",
        tag="x",
        origin_url="https://o",
    )
    with caplog.at_level(logging.WARNING, "zoo_core"):
        fetch_weights(cfg)
        monkeypatch.setattr(licence, "_shown", set())  # as a new process
        fetch_weights(cfg)
    assert [record.message for record in caplog.records] == [
        "net.x: these weights are licensed cc-by-nc-4.0, for non-commercial use only (https://o)"
    ]


def test_the_file_is_what_was_published(server: Server, weights: bytes) -> None:
    path = fetch_weights(PretrainedCfg(url=server.add(named(weights), weights)))
    assert set(load_file(path)) == {"conv.weight", "fc.bias"}
