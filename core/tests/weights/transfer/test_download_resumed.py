"""A transfer that was cut off or killed, and goes on."""

import signal
import threading
from pathlib import Path

import pytest
import torch
from fetching import named, sha256, spawn, wait_for
from safetensors.torch import save
from weight_server import Server
from zoo_core.config import PretrainedCfg
from zoo_core.errors import WeightsError
from zoo_core.weights.fetch import fetch_weights


def test_a_cut_connection_goes_on_where_it_was(server: Server, large: bytes, caplog: pytest.LogCaptureFixture) -> None:
    url = server.add(named(large), large, etag='"1"', cuts=[2_000_000, 3_000_000])
    assert fetch_weights(PretrainedCfg(url=url)).read_bytes() == large
    retries = [record.getMessage() for record in caplog.records if "trying again in" in record.getMessage()]
    assert len(retries) == 2  # which users see on stderr
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


def interrupted(server: Server, url: str, after: int) -> None:
    server.resources[url.removeprefix(server.url)].cuts = [after] + [0] * 20
    with pytest.raises(WeightsError):
        fetch_weights(PretrainedCfg(url=url))
    server.resources[url.removeprefix(server.url)].cuts = []


@pytest.mark.parametrize("says_tag", [True, False])
def test_another_version_is_not_appended_to_a_part(server: Server, large: bytes, says_tag: bool) -> None:
    """By a server that sends the range that was asked for, whatever If-Range says."""
    new = save({"weight": torch.arange(1_500_000.0) + 7})
    url = server.add("/net.safetensors", large, etag='"1"', minds_if_range=False)
    interrupted(server, url, 2_000_000)
    server.add("/net.safetensors", new, etag='"2"' if says_tag else None, minds_if_range=False)
    assert fetch_weights(PretrainedCfg(url=url)).read_bytes() == new


def test_a_part_is_not_whole_because_it_is_as_long(server: Server, cache: Path, large: bytes) -> None:
    url = server.add("/net.safetensors", large, etag='"1"')
    interrupted(server, url, 2_000_000)
    (part,) = cache.rglob("*.part")
    part.write_bytes(bytes(len(large)))
    assert fetch_weights(PretrainedCfg(url=url)).read_bytes() == large
