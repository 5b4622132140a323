"""What nobody may do who is not trusted: a repository, a server, another user of the machine, a planted file."""

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import zoo_core
from safetensors.torch import save
from tiny import TinyConfig, TinyNet
from torch import nn
from weight_server import Server
from zoo_core.config import PretrainedCfg
from zoo_core.errors import ConfigError, OptionError, WeightsError, ZooError
from zoo_core.family import Family
from zoo_core.weights import licence
from zoo_core.weights.address import key_of
from zoo_core.weights.fetch import fetch_weights
from zoo_core.weights.transfer import http
from zoo_core.weights.transfer.cache import Entry, Receipt

COMMIT = "c" * 40
GOOD, EVIL = ({key: value + n for key, value in TinyNet().state_dict().items()} for n in (0, 1))


@pytest.fixture(params=[True, False], ids=["client", "https"])
def by_client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if not request.param:
        monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    return bool(request.param)


@pytest.fixture
def hub(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    repository(server, "org/good")
    return server


@pytest.fixture(autouse=True)
def trusted_net(registrations: None) -> None:
    """An architecture with options of its own, as a family offers it."""
    family = Family(
        name="trusted",
        package=__name__,
        network="tiny:TinyNet",
        architectures={"trusted_net": TinyConfig()},
        pretrained={},
    )
    zoo_core.register_model(family.constructor("trusted_net"), name="trusted_net")


def repository(server: Server, name: str, weights: dict[str, torch.Tensor] = GOOD, **config: Any) -> str:
    """Serve a repository of the tiny network; returns its model name."""
    written = {"architecture": "trusted_net", "num_classes": 5, "pretrained_cfg": {"num_classes": 5}, **config}
    files = {"config.json": json.dumps(written).encode(), "model.safetensors": save(weights)}
    server.add_repository(name, files, commit=COMMIT)
    return f"hf-hub:{name}"


def is_good(net: nn.Module) -> bool:
    return all(torch.equal(value, GOOD[key]) for key, value in net.state_dict().items())


# 1. A repository steers nothing but its own network.


def test_a_repository_cannot_fill_another_s_place_in_the_cache(hub: Server, tmp_path: Path, by_client: bool) -> None:
    good = f"http://127.0.0.1:{hub.port}\\@127.0.0.1:{hub.port}/org/good/resolve/{COMMIT}/model.safetensors"
    hub.add(f"/@127.0.0.1:{hub.port}/org/good/resolve/{COMMIT}/model.safetensors", save(EVIL))
    evil = repository(hub, "org/evil", model_args={"pretrained_cfg_overlay": {"url": good}})
    with pytest.raises(ConfigError, match=r"^hf-hub:org/evil: .* sets 'pretrained_cfg_overlay' in model_args"):
        zoo_core.create_model(evil, pretrained=True)
    with pytest.raises(WeightsError, match="refused"):
        zoo_core.create_model("trusted_net", pretrained=True, pretrained_cfg={"url": good})
    assert is_good(zoo_core.create_model("hf-hub:org/good", pretrained=True))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("pretrained_cfg_overlay", {"file": "/etc/passwd"}),
        ("pretrained_cfg", {"url": "http://127.0.0.1:1/x"}),
        ("cache_dir", "{tmp}/chosen"),
        ("checkpoint_path", "{tmp}/chosen"),
        ("device", "meta"),
        ("dtype", "float16"),
        ("mmap", True),
        ("pruned", {"fc.weight": [1, 1]}),
        ("features_only", True),
        ("out_indices", [0]),
        ("feature_cls", "hook"),
        ("feature_cfg", {}),
        ("pretrained", True),
        ("pretrained_strict", False),
        ("pretrained_filter_fn", "os:system"),
        ("pretrained_custom_load", True),
        ("model_cls", "x"),
        ("model_cfg", {}),
        ("variant", "x"),
        ("model_name", "x"),
        ("a b", 1),
        ("widths", [1_000_000, 1, 1]),
        ("widths", [4] * 2000),
        ("widths", float("nan")),
        ("widths", float("inf")),
        ("widths", 10**30),
        ("widths", "../../etc/passwd"),
        ("widths", "x" * 1000),
        ("widths", [[[[[[1]]]]]]),
    ],
)
def test_a_repository_sets_options_of_the_network_alone(
    hub: Server, tmp_path: Path, option: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    value = json.loads(json.dumps(value).replace("{tmp}", str(tmp_path)))
    name = repository(hub, "org/evil", model_args={option: value})
    for pretrained in (False, True):
        with pytest.raises(ConfigError, match=rf"^{name}: its config\.json sets '{option}' ") as caught:
            zoo_core.create_model(name, pretrained=pretrained)
        assert len(str(caught.value)) < 400
    assert not (tmp_path / "chosen").exists()


def test_an_unknown_option_of_a_repository_is_refused_by_name(hub: Server, by_client: bool) -> None:
    with pytest.raises(OptionError, match="has no option 'colour'"):
        zoo_core.create_model(repository(hub, "org/odd", model_args={"colour": 1}))


def test_what_a_network_does_have_is_set(hub: Server, by_client: bool) -> None:
    name = repository(hub, "org/wide", model_args={"widths": [8, 8, 16], "drop_rate": 0.5, "in_chans": None})
    net = zoo_core.create_model(name)
    assert (net.num_features, net.drop_rate, net.stem.in_channels) == (16, 0.5, 3)


class Deep(nn.Module):
    """A network of as many blocks as it is told."""

    def __init__(self, depths: tuple[int, ...] = (2,), num_classes: int = 1) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(nn.Identity() for depth in depths for _ in range(depth)))


def test_a_repository_cannot_ask_for_a_million_blocks(hub: Server, by_client: bool) -> None:
    from zoo_core.building.build import build_model_with_cfg

    zoo_core.register_model(
        lambda pretrained=False, **options: build_model_with_cfg(Deep, "deep_net", pretrained, **options),
        name="deep_net",
    )
    assert len(zoo_core.create_model(repository(hub, "org/a", architecture="deep_net")).blocks) == 2
    huge = repository(hub, "org/b", architecture="deep_net", model_args={"depths": [60_000] * 3})
    with pytest.raises(ConfigError, match="network of more than 100,000 modules"):
        zoo_core.create_model(huge)


# 2. Nor files, folders or addresses.


@pytest.mark.parametrize(
    "field", [{"hf_hub_filename": "../../../secret.safetensors"}, {"hf_hub_filename": "/etc/passwd"},
              {"file": "/etc/passwd"}, {"url": "file:/etc/passwd"}, {"hf_hub_id": "org/other"}, {"sha256": "0" * 64}],
)  # fmt: skip
def test_a_repository_s_config_names_no_other_place(hub: Server, field: dict[str, str], by_client: bool) -> None:
    name = repository(hub, "org/evil", pretrained_cfg={"num_classes": 5, **field})
    assert is_good(zoo_core.create_model(name, pretrained=True))


def test_a_folder_s_config_names_no_other_place(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(save(GOOD))
    config = {"architecture": "trusted_net", "num_classes": 5, "hf_hub_filename": "../x", "file": "/etc/passwd"}
    (folder / "config.json").write_text(json.dumps({**config, "pretrained_cfg": {**config, "url": "file:/x"}}))
    assert is_good(zoo_core.create_model(f"local-dir:{folder}", pretrained=True))
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match="holds no file of weights"):
        zoo_core.create_model(f"local-dir:{folder}", pretrained=True)


@pytest.mark.parametrize("filename", ["../x", "/etc/passwd", "a/../../x", "a\\..\\x", "x" * 300, "a//b"])
def test_a_file_outside_of_a_repository_is_refused(hub: Server, filename: str, by_client: bool) -> None:
    with pytest.raises(WeightsError, match="is no file inside of a Hub repository"):
        fetch_weights(PretrainedCfg(hf_hub_id="org/good", hf_hub_filename=filename))
    assert not hub.log


@pytest.mark.parametrize("inside", ["../../secret", "/etc/passwd", "a/../../x", "a\\x", ""])
def test_a_file_outside_of_a_package_is_refused(inside: str) -> None:
    with pytest.raises(WeightsError, match="is no place in a package"):
        fetch_weights(PretrainedCfg(url=f"package:zoo_core/{inside}"))


@pytest.mark.parametrize(
    "content",
    [b"[" * 100_000, b'{"architecture": ' + b"[" * 100_000, b"\xff\xfe", b'{"architecture": "\\ud800"}', b"null",
     b'{"architecture": "../x"}', b'{"architecture": "hf-hub:a/b"}', b'{"architecture": 3}',
     b'{"architecture": "trusted_net", "num_classes": 1e400}',
     b'{"architecture": "trusted_net", "num_classes": 9999999}',
     b'{"architecture": "trusted_net", "model_args": [1]}', b'{"architecture":"trusted_net","num_classes":-3}'],
)  # fmt: skip
def test_a_config_that_cannot_be_is_an_error_of_ours(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ZooError):
        zoo_core.create_model(f"local-dir:{tmp_path}")


def test_a_pipe_for_a_config_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(WeightsError, match="there is no"):
        zoo_core.create_model(f"local-dir:{tmp_path}")


@pytest.mark.parametrize("path", ["~nosuchuser/x", "a\0b", "x" * 5000])
def test_a_folder_that_cannot_be_is_one_line(path: str) -> None:
    with pytest.raises(WeightsError, match=r"there is no .*config\.json"):
        zoo_core.create_model(f"local-dir:{path}")


# 3. Licences.


def test_a_licence_is_no_path(hub: Server, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(cache)}
    name = repository(
        hub,
        "org/nc",
        pretrained_cfg={"license": "nc-/../../../../made/by/a-licence", "tag": "../../x", "num_classes": 5},
    )
    zoo_core.create_model(name, pretrained=True)
    after = {path for path in tmp_path.rglob("*") if not path.is_relative_to(cache)}
    assert not [path for path in after - before if "hf" not in path.parts and "zoo" not in path.parts]
    assert not any("made" in path.name for path in tmp_path.rglob("*"))
    (marker,) = (cache / "licences").iterdir()
    monkeypatch.setattr(licence, "_shown", set())
    zoo_core.create_model(name, pretrained=True)
    assert list((cache / "licences").iterdir()) == [marker]


# 10. Transfers that no hash vouches for.


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


def test_a_date_in_a_name_is_no_hash(server: Server, weights: bytes, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("net-20240131.pth", "net-1706659200123.pth"):
        assert fetch_weights(PretrainedCfg(url=server.add(f"/{name}", weights))).read_bytes() == weights
    assert caplog.text.count("is unverified") == 2
    with pytest.raises(WeightsError, match="its file name says 46609757"):  # a published one that is digits alone
        fetch_weights(PretrainedCfg(url=server.add("/ecaresnet26t_ra2-46609757.pth", weights)))


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


# 11. Receipts, links, and files that others can write.


def plant(cache: Path, url: str, content: bytes, claimed: str) -> Path:
    """A file in the cache's place for a URL, with a receipt that fits it and claims another hash."""
    entry = Entry(cache, key_of(url))
    entry.path.parent.mkdir(parents=True)
    entry.path.write_bytes(content)
    status = entry.path.stat()
    entry.write_receipt(Receipt(url=url, size=status.st_size, mtime_ns=status.st_mtime_ns, sha256=claimed))
    return entry.path


@pytest.mark.parametrize("writable", ["cache", "folder", "receipt", "file", "above"])
def test_a_receipt_that_others_could_write_vouches_for_nothing(
    server: Server, cache: Path, tmp_path: Path, weights: bytes, writable: str
) -> None:
    digest = hashlib.sha256(weights).hexdigest()
    url = server.add("/a/net.safetensors", weights)
    path = plant(cache, url, save(EVIL), digest)
    opened = {"cache": cache, "folder": path.parent, "file": path, "above": tmp_path}.get(
        writable, path.with_name(f"{path.name}.receipt")
    )
    opened.chmod(opened.stat().st_mode | 0o022)
    assert fetch_weights(PretrainedCfg(url=url, sha256=digest)).read_bytes() == weights


def test_another_user_s_receipt_vouches_for_nothing(server: Server, cache: Path, weights: bytes) -> None:
    if os.geteuid():
        pytest.skip("only the administrator can make another user's file")
    digest = hashlib.sha256(weights).hexdigest()
    url = server.add("/a/net.safetensors", weights)
    path = plant(cache, url, save(EVIL), digest)
    os.chown(path, 12345, 12345)
    assert fetch_weights(PretrainedCfg(url=url, sha256=digest)).read_bytes() == weights


def test_a_config_s_hash_wins_over_a_receipt_s(server: Server, cache: Path, weights: bytes) -> None:
    url = server.add("/a/net.safetensors", weights)
    evil = save(EVIL)
    plant(cache, url, evil, hashlib.sha256(evil).hexdigest())
    digest = hashlib.sha256(weights).hexdigest()
    assert fetch_weights(PretrainedCfg(url=url, sha256=digest)).read_bytes() == weights


def test_a_receipt_that_only_we_can_write_saves_hashing(server: Server, cache: Path, weights: bytes) -> None:
    """What it is for; shown by a receipt that lies."""
    cache.mkdir(mode=0o700)
    url = server.add("/a/net.safetensors", weights)
    path = plant(cache, url, b"as it was fetched", hashlib.sha256(weights).hexdigest())
    assert fetch_weights(PretrainedCfg(url=url, sha256=hashlib.sha256(weights).hexdigest())) == path
    assert not server.log


def test_without_a_hash_a_file_serves_only_the_url_that_filled_it(server: Server, cache: Path, weights: bytes) -> None:
    """As on a file system that takes two names for one."""
    url = server.add("/net.safetensors", weights)
    evil = save(EVIL)
    path = plant(cache, url, evil, hashlib.sha256(evil).hexdigest())
    receipt = path.with_name(f"{path.name}.receipt")
    receipt.write_text(receipt.read_text().replace("/net.safetensors", "/NET.safetensors"))
    assert fetch_weights(PretrainedCfg(url=url)).read_bytes() == weights


@pytest.mark.parametrize(
    "receipt",
    ["[]", "3", '{"url": 3}', '{"url": "u", "sha256": 3}', '{"url": "u", "size": "x"}', '{"url": "u", "path": ["x"]}',
     "[" * 90_000, '{"url": "u", "sha256": "zz"}'],
)  # fmt: skip
def test_a_damaged_receipt_is_none(server: Server, cache: Path, weights: bytes, receipt: str) -> None:
    url = server.add("/net.safetensors", weights)
    path = fetch_weights(PretrainedCfg(url=url))
    path.with_name(f"{path.name}.receipt").write_text(receipt)
    assert fetch_weights(PretrainedCfg(url=url)) == path


@pytest.mark.parametrize("link", ["symbolic", "hard"])
@pytest.mark.parametrize("suffix", ["part", "lock", "receipt"])
def test_a_planted_link_is_not_written_through(
    server: Server, cache: Path, tmp_path: Path, weights: bytes, link: str, suffix: str
) -> None:
    theirs = tmp_path / "thesis.txt"
    theirs.write_text("mine")
    url = server.add("/net.safetensors", weights, etag='"1"')
    entry = Entry(cache, key_of(url))
    entry.path.parent.mkdir(parents=True)
    if suffix == "part":
        entry.write_receipt(Receipt(url=url, validator='"1"', size=len(weights)))
    planted = entry.path.with_name(f"{entry.path.name}.{suffix}")
    (planted.symlink_to if link == "symbolic" else planted.hardlink_to)(theirs)
    if (link, suffix) == ("symbolic", "lock"):
        with pytest.raises(WeightsError, match="cannot be written"):
            fetch_weights(PretrainedCfg(url=url))
    else:
        assert fetch_weights(PretrainedCfg(url=url)).read_bytes() == weights
    if (link, suffix) != ("hard", "lock"):  # nobody can tell a hard link from a file, and the lock holds nothing
        assert theirs.read_text() == "mine"


def test_a_mirror_s_file_stands_for_what_was_published(
    server: Server, cache: Path, weights: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mirror that a user names is trusted as the publisher is; the receipt says where the bytes came from."""
    monkeypatch.setenv("ZOO_MIRROR", f"{server.url}/mirror")
    server.add("/mirror/weights.example/net.safetensors", weights)
    path = fetch_weights(PretrainedCfg(url="https://weights.example/net.safetensors"))
    receipt = json.loads(path.with_name(f"{path.name}.receipt").read_text())
    assert receipt["url"] == "https://weights.example/net.safetensors"
    assert receipt["mirror"] == f"{server.url}/mirror/weights.example/net.safetensors"
    monkeypatch.delenv("ZOO_MIRROR")
    assert fetch_weights(PretrainedCfg(url="https://weights.example/net.safetensors")) == path
