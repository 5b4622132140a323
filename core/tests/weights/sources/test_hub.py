"""Weights in a repository of the Hub, by its client and by plain HTTPS."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hub_repositories import COMMIT, REPO, cdn
from weight_server import Server
from zoo_core.config import PretrainedCfg
from zoo_core.errors import WeightsError
from zoo_core.weights.fetch import cached_path, fetch_weights
from zoo_core.weights.hub.hub_config import read_hub_config


def test_a_repository_s_weights_are_fetched_once(hub: Server, weights: bytes, tmp_path: Path, by_client: bool) -> None:
    cfg = PretrainedCfg(hf_hub_id=REPO)
    assert not cached_path(cfg)
    path = fetch_weights(cfg)
    assert path.read_bytes() == weights
    assert path.is_relative_to(tmp_path / ("hf" if by_client else "zoo")), "the client's cache is shared with others"
    assert cached_path(cfg)
    asked = len(hub.log)
    assert fetch_weights(cfg) == path
    assert len(hub.log) == asked
    assert len(hub.requests(cdn(weights))) == 1


def test_cache_dir_holds_the_hub_s_files_too(hub: Server, weights: bytes, tmp_path: Path, by_client: bool) -> None:
    path = fetch_weights(PretrainedCfg(hf_hub_id=REPO), cache_dir=tmp_path / "mine")
    assert path.is_relative_to(tmp_path / "mine")


def test_what_the_client_has_cached_is_used_without_it(
    hub: Server, weights: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fetch_weights(PretrainedCfg(hf_hub_id=REPO))
    asked = len(hub.log)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert fetch_weights(PretrainedCfg(hf_hub_id=REPO)) == path
    assert fetch_weights(PretrainedCfg(hf_hub_id=f"{REPO}@{COMMIT}")).read_bytes() == weights
    assert len(hub.log) == asked


def test_a_file_that_is_not_the_hub_s_is_refused(
    server: Server, weights: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The storage serves other bytes than those whose hash the repository names."""
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    server.add_repository(REPO, {"model.safetensors": weights})
    damaged = bytes([*weights[:-1], weights[-1] ^ 1])
    server.resources[cdn(weights)].content = damaged
    with pytest.raises(WeightsError) as caught:
        fetch_weights(PretrainedCfg(hf_hub_id=REPO))
    assert hashlib.sha256(weights).hexdigest() in str(caught.value)
    assert hashlib.sha256(damaged).hexdigest() in str(caught.value)
    assert "Hub repository" in str(caught.value)


def test_a_damaged_file_of_the_client_s_cache_is_not_used(hub: Server, weights: bytes) -> None:
    cfg = PretrainedCfg(hf_hub_id=REPO)
    blob = fetch_weights(cfg).resolve()
    blob.write_bytes(bytes(len(weights)))
    assert fetch_weights(cfg).read_bytes() == weights
    assert blob.with_name(f"{blob.name}.rejected").exists()


def test_a_config_s_hash_is_held_against_the_hub_s_file(hub: Server, weights: bytes, by_client: bool) -> None:
    with pytest.raises(WeightsError) as caught:
        fetch_weights(PretrainedCfg(hf_hub_id=REPO, sha256="0badc0de"))
    assert "0badc0de" in str(caught.value)
    assert hashlib.sha256(weights).hexdigest() in str(caught.value)


def test_older_repositories_have_a_pickle(server: Server, monkeypatch: pytest.MonkeyPatch, by_client: bool) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    server.add_repository(REPO, {"pytorch_model.bin": b"a pickle", "weights/other.safetensors": b"another"})
    assert fetch_weights(PretrainedCfg(hf_hub_id=REPO)).read_bytes() == b"a pickle"
    named = PretrainedCfg(hf_hub_id=REPO, hf_hub_filename="weights/other.safetensors")
    assert fetch_weights(named).read_bytes() == b"another"


def test_a_cut_transfer_from_the_hub_s_storage_is_completed(
    server: Server, large: bytes, monkeypatch: pytest.MonkeyPatch, by_client: bool
) -> None:
    """By the client from the last 10 MB it had, by us from the byte."""
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    server.add_repository(REPO, {"model.safetensors": large}, cuts=[3_000_000])
    assert fetch_weights(PretrainedCfg(hf_hub_id=REPO)).read_bytes() == large
    assert [request.status for request in server.requests(cdn(large))] == [200, 200 if by_client else 206]


def test_the_token_goes_to_the_hub_and_not_to_its_storage(
    hub: Server, weights: bytes, monkeypatch: pytest.MonkeyPatch, by_client: bool
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    fetch_weights(PretrainedCfg(hf_hub_id=REPO))
    sent = {
        request.path: request.headers.get("Authorization") or request.headers.get("authorization")
        for request in hub.log
    }
    assert sent[f"/{REPO}/resolve/main/model.safetensors"] == "Bearer hf_secret"
    assert sent[cdn(weights)] is None


def test_offline_the_hub_s_cache_serves_and_its_client_is_not_even_imported(hub: Server, weights: bytes) -> None:
    fetch_weights(PretrainedCfg(hf_hub_id=REPO))
    read_hub_config(f"hf-hub:{REPO}")
    code = (
        "import os, sys; sys.addaudithook(lambda event, _: event.startswith('socket.') and os._exit(9));"
        "from zoo_core.config import PretrainedCfg; from zoo_core.weights.fetch import fetch_weights;"
        "from zoo_core.weights.hub.hub_config import read_hub_config;"
        "print(fetch_weights(read_hub_config('hf-hub:' + sys.argv[1]).pretrained_cfg));"
        "assert 'huggingface_hub' not in sys.modules;"
        "fetch_weights(PretrainedCfg(hf_hub_id='org/none', architecture='net'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, REPO],
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert Path(done.stdout.strip()).read_bytes() == weights
    assert "HF_HUB_OFFLINE forbids" in done.stderr
    assert "models--org--none" in done.stderr


@pytest.mark.parametrize("filename", ["../x", "/etc/passwd", "a/../../x", "a\\..\\x", "x" * 300, "a//b"])
def test_a_file_outside_of_a_repository_is_refused(trusted_hub: Server, filename: str, by_client: bool) -> None:
    with pytest.raises(WeightsError, match="is no file inside of a Hub repository"):
        fetch_weights(PretrainedCfg(hf_hub_id="org/good", hf_hub_filename=filename))
    assert not trusted_hub.log
