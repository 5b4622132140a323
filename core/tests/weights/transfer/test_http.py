"""Requests that are repeated, given up, refused, or go through a proxy."""

import base64
import gzip
import subprocess
import time
from email.utils import formatdate
from pathlib import Path

import pytest
from fetching import named
from hub_repositories import REPO, cdn
from weight_server import Server
from zoo_core.config import PretrainedCfg
from zoo_core.errors import WeightsError
from zoo_core.weights.fetch import fetch_weights
from zoo_core.weights.hub import client
from zoo_core.weights.transfer import http


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


def test_an_unreachable_host_is_one_line_with_a_remedy() -> None:
    with pytest.raises(WeightsError, match=r"^resnet18.x: http://127.0.0.1:9/net.pth cannot be reached: [^\n]*proxy"):
        fetch_weights(PretrainedCfg(url="http://127.0.0.1:9/net.pth", architecture="resnet18", tag="x"))


def test_a_proxy_is_gone_through(server: Server, weights: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    server.add(named(weights), weights)
    assert fetch_weights(PretrainedCfg(url=f"http://weights.example{named(weights)}")).read_bytes() == weights
    assert server.log[0].headers["Host"] == "weights.example"


def test_a_host_that_no_proxy_names_is_asked_itself(
    server: Server, weights: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # nobody listens
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert fetch_weights(PretrainedCfg(url=server.add("/net.pth", weights))).read_bytes() == weights


@pytest.mark.parametrize("proxy", ["{server}", "http://[", "socks5://127.0.0.1:9", "http://127.0.0.1:x"])
def test_a_proxy_that_is_none_is_one_line(server: Server, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server makes no tunnel, which HTTPS takes."""
    monkeypatch.setenv("HTTPS_PROXY", proxy.format(server=server.url))
    with pytest.raises(WeightsError, match=r"^resnet18.x: https://weights.invalid/net.pth [^\n]*$"):
        fetch_weights(PretrainedCfg(architecture="resnet18", tag="x", url="https://weights.invalid/net.pth"))


def test_credentials_come_from_netrc(
    server: Server, weights: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    fetch_weights(PretrainedCfg(url=server.add(named(weights), weights)))
    assert server.log[0].headers["Authorization"] == f"Basic {base64.b64encode(b'me:secret').decode()}"


@pytest.mark.parametrize("where", ["body", "headers", "chunk"])
def test_a_byte_a_second_ends_in_an_error(
    server: Server, weights: bytes, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "LEAST_PROGRESS", (1000, 0.2))
    monkeypatch.setattr(http, "ANSWER_S", 0.3)
    monkeypatch.setattr(http, "ATTEMPTS", 2)
    headers = {"Transfer-Encoding": "chunked"} if where == "chunk" else {}
    content = b"0" * 60_000 if where == "chunk" else weights  # the length of a chunk, which never ends
    url = server.add("/net.safetensors", content, drip_s=0.02, drips_headers=where == "headers", headers=headers)
    end = time.monotonic() + 30
    with pytest.raises(WeightsError, match=r"too slow|did not answer within"):
        fetch_weights(PretrainedCfg(url=url))
    assert time.monotonic() < end, "it gives up"


def test_a_byte_a_second_from_the_hub_ends_in_an_error(
    hub: Server, weights: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the Hub's client, which by itself waits for ever."""
    monkeypatch.setattr(client, "LONGEST_SILENCE_S", 0.3)
    hub.resources[cdn(weights)].drip_s = 0.02
    with pytest.raises(WeightsError, match="the transfer is too slow"):
        fetch_weights(PretrainedCfg(hf_hub_id=REPO))


@pytest.mark.parametrize("encoded", [False, True])
def test_an_encoding_that_was_not_asked_for_is_seen_through(server: Server, weights: bytes, encoded: bool) -> None:
    """Whether the file has it or not."""
    content = gzip.compress(weights) if encoded else weights
    url = server.add(named(weights), content, headers={"Content-Encoding": "gzip"})
    assert fetch_weights(PretrainedCfg(url=url)).read_bytes() == weights


def test_a_redirect_whose_body_never_ends_is_followed(server: Server, weights: bytes) -> None:
    target = server.add("/there.safetensors", weights)
    server.add("/here.safetensors", b"", redirect=target)
    assert fetch_weights(PretrainedCfg(url=f"{server.url}/here.safetensors")).read_bytes() == weights


def test_https_does_not_lead_to_http(
    server: Server, weights: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What HTTPS protects on its way is not exchanged for what anybody can change."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *files]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    safe = Server(certificate=(certificate, key))
    try:
        assert fetch_weights(PretrainedCfg(url=safe.add("/net.safetensors", weights))).read_bytes() == weights
        safe.add("/moved.safetensors", b"", redirect=server.add("/net.safetensors", weights))
        with pytest.raises(WeightsError, match="redirects from HTTPS to HTTP"):
            fetch_weights(PretrainedCfg(url=f"{safe.url}/moved.safetensors"))
        assert not server.log
    finally:
        safe.close()
