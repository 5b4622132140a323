"""A project's lock: the same bytes, or an error; and what nothing vouched for."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from hub_repositories import COMMIT, EVIL, GOOD, REPO
from safetensors.torch import save
from weight_server import Server
from zoo_core import registry
from zoo_core.cli.main import main
from zoo_core.config import PretrainedCfg
from zoo_core.errors import ConfigError, WeightsError
from zoo_core.weights.fetch import fetch_weights
from zoo_core.weights.lock import read_lock


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOO_LOCK", "")
    return tmp_path / "zoo.lock"


@pytest.fixture
def locked(hub: Server, lock: Path, registrations: None, weights: bytes) -> Path:
    """The lock of a model on the Hub at no pinned revision, and of one at a URL."""
    register("net", hf_hub_id=REPO)
    register("other", url=hub.add("/other.safetensors", weights))
    assert main(["lock", "net", "other"]) == 0
    return lock


def register(name: str, **fields: str) -> None:
    def constructor(pretrained: bool = False) -> None:
        raise NotImplementedError

    registry.register_model(constructor, name=name, pretrained={"t": PretrainedCfg(architecture=name, **fields)})


def test_it_says_what_each_file_is(
    locked: Path, hub: Server, weights: bytes, by_client: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    before = locked.read_bytes()
    assert main(["lock"]) == 0, "the same names again"
    assert locked.read_bytes() == before
    err = capsys.readouterr().err
    assert f"zoo: warning: net: its config pins no commit of hf-hub:{REPO}; locked at {COMMIT}" in err
    first, other = read_lock(locked)
    assert (first.name, first.source, first.revision) == ("net", f"hf-hub:{REPO}", COMMIT)
    assert (first.size, first.sha256) == (len(weights), sha256(weights))
    assert (other.source, other.revision) == (f"{hub.url}/other.safetensors", None)


def test_what_is_locked_is_fetched_and_nothing_else(
    locked: Path, weights: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["download", "--frozen", "--json", "--cache-dir", str(tmp_path / "new")]) == 0
    paths = json.loads(capsys.readouterr().out)
    assert {name: Path(path).read_bytes() for name, path in paths.items()} == {"net": weights, "other": weights}
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    assert main(["download", "--frozen", "--cache-dir", str(tmp_path / "new")]) == 0, "offline too"
    register("stranger", url="https://weights.example/stranger.safetensors")
    capsys.readouterr()
    assert main(["download", "--frozen", "stranger"]) == 2
    assert "does not have https://weights.example/stranger.safetensors, and nothing else may" in capsys.readouterr().err
    with pytest.raises(WeightsError, match="nothing else may be used"):
        fetch_weights(PretrainedCfg(hf_hub_id="org/stranger"))


def test_a_repository_that_moved_on_serves_what_was_locked(
    locked: Path, hub: Server, weights: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_client: bool
) -> None:
    new = "d" * 40
    hub.add_repository(REPO, {"model.safetensors": weights + b" "}, commit=new)
    monkeypatch.setenv("ZOO_LOCK", str(locked))
    assert fetch_weights(PretrainedCfg(hf_hub_id=REPO), cache_dir=tmp_path / "new").read_bytes() == weights


def test_a_locked_repository_is_read_at_its_commit(
    trusted_hub: Server, lock: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lock", "hf-hub:org/good"]) == 0
    trusted_hub.add_repository("org/good", {"config.json": b"{}", "model.safetensors": save(EVIL)}, commit="d" * 40)
    capsys.readouterr()
    assert main(["download", "--frozen", "--json", "--cache-dir", str(tmp_path / "new")]) == 0
    (path,) = json.loads(capsys.readouterr().out).values()
    assert Path(path).read_bytes() == save(GOOD)


@pytest.mark.parametrize("where", ["server", "cache"])
def test_other_bytes_are_an_error_that_names_the_lock(
    locked: Path, hub: Server, weights: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    cfg = PretrainedCfg(url=f"{hub.url}/other.safetensors")
    cached = fetch_weights(cfg)
    damaged = weights[:-1] + b"\xff"
    hub.add("/other.safetensors", damaged if where == "server" else weights)
    monkeypatch.setenv("ZOO_LOCK", str(locked))
    if where == "cache":
        cached.write_bytes(damaged)
        assert fetch_weights(cfg).read_bytes() == weights, "fetched anew"
        return
    with pytest.raises(WeightsError, match=rf"has SHA-256 {sha256(damaged)}.*{sha256(weights)}.*ZOO_LOCK=.*zoo\.lock"):
        fetch_weights(cfg, cache_dir=tmp_path / "new")


def test_a_config_with_another_hash_is_refused(locked: Path, hub: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_LOCK", str(locked))
    with pytest.raises(WeightsError, match=r"its config expects SHA-256 0badc0de, and .* lock it again"):
        fetch_weights(PretrainedCfg(url=f"{hub.url}/other.safetensors", sha256="0badc0de"))


def test_a_file_of_the_user_s_is_not_asked_about(locked: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_LOCK", str(locked))
    assert fetch_weights(PretrainedCfg(file=str(file))) == file


def test_another_plugin_than_the_locked_one_is_said(locked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lock", "--check"]) == 0
    text = locked.read_text()
    locked.write_text(text.replace('"plugin": "', '"plugin": "acme '))
    capsys.readouterr()
    assert main(["lock", "--check"]) == 1
    assert "net: it was locked with acme " in capsys.readouterr().out
    assert main(["download", "--frozen"]) == 2
    assert "does not fit what is installed" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"version": 2, "weights": []}', '{"version": 1, "weights": [{}]}', '{"version": 1, "weights": 3}',
     "[" * 90_000, "\xff",
     '{"version": 1, "weights": [{"name": "a\\u001b", "source": "x", "size": 1, "sha256": "%s"}]}' % ("0" * 64),
     '{"version": 1, "weights": [{"name": "a", "source": "x", "size": 1, "sha256": "0bad"}]}'],
)  # fmt: skip
def test_what_is_no_lock_refuses_everything(lock: Path, content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lock.write_text(content)
    monkeypatch.setenv("ZOO_LOCK", str(lock))
    with pytest.raises(ConfigError, match=r"^[^\n]*zoo\.lock is no lock[^\n]*$"):
        fetch_weights(PretrainedCfg(url="https://weights.example/x.safetensors"))


def test_a_plugin_may_ship_a_lock(
    locked: Path, hub: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "zoo_yours").mkdir()
    (tmp_path / "zoo_yours/__init__.py").write_text("raise RuntimeError('it is imported')\n")
    locked.rename(tmp_path / "zoo_yours/zoo.lock")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("ZOO_LOCK", "package:zoo_yours/zoo.lock")
    assert main(["download", "--frozen"]) == 0
    hub.add("/other.safetensors", save({"weight": torch.zeros(1)}))
    assert main(["download", "other", "--cache-dir", str(tmp_path / "fresh")]) == 2
    assert main(["lock", "net"]) == 2, "it is not the user's to write"
    assert "is an installed package's: name your own file with --output" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["package:nosuch/zoo.lock", "package:zoo_core/none.lock", "package:../zoo.lock"])
def test_a_package_without_a_lock_refuses_everything(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_LOCK", place)
    with pytest.raises(ConfigError, match=r"^the lock package:\S+ cannot be read: [^\n]+$"):
        fetch_weights(PretrainedCfg(url="https://weights.example/x.safetensors"))


def test_a_lock_that_is_not_there_refuses_everything(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_LOCK", str(lock))
    with pytest.raises(ConfigError, match=r"zoo\.lock cannot be read \(No such file.*zoo lock NAME"):
        fetch_weights(PretrainedCfg(url="https://weights.example/x.safetensors"))
    assert main(["download", "--frozen"]) == 2
    assert main(["download"]) == 2, "nothing is named"


@pytest.mark.parametrize("lost", ["deleted", "damaged", "verified", "cut"])
def test_a_later_change_of_what_nothing_vouched_for_is_an_error(
    server: Server, weights: bytes, lost: str, cache: Path
) -> None:
    cfg = PretrainedCfg(url=server.add("/net.safetensors", weights))
    path = fetch_weights(cfg)
    if lost == "deleted":
        path.unlink()
    else:
        path.write_bytes(weights[:-1] + b"\xff")
    if lost == "verified":
        assert main(["cache", "verify"]) == 1
    if lost == "cut":  # another process goes on with what one began
        server.add("/net.safetensors", weights, cuts=[60, *[0] * 9], etag='"1"')
        with pytest.raises(WeightsError, match="cannot be reached"):
            fetch_weights(cfg)
    server.add("/net.safetensors", weights[:-1] + b"\xfe")
    for _ in range(2):
        with pytest.raises(WeightsError, match=rf"its first download.*zoo cache remove.*says {sha256(weights)}"):
            fetch_weights(cfg)
    server.add("/net.safetensors", weights)
    assert fetch_weights(cfg).read_bytes() == weights


def test_who_accepts_a_change_forgets_the_first_download(server: Server, weights: bytes) -> None:
    cfg = PretrainedCfg(url=server.add("/net.safetensors", weights))
    fetch_weights(cfg).unlink()
    changed = weights[:-1] + b"\xfe"
    server.add("/net.safetensors", changed)
    with pytest.raises(WeightsError, match="its first download"):
        fetch_weights(cfg)
    assert main(["cache", "remove"]) == 0
    assert fetch_weights(cfg).read_bytes() == changed
