"""The Hub, imitated on loopback: by its real client and by plain HTTPS, and repositories read, saved and pushed."""

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save
from tiny import TinyConfig, TinyNet
from weight_server import Server
from zoo_core.config import PretrainedCfg
from zoo_core.errors import ConfigError, WeightsError
from zoo_core.weights.fetch import fetch_weights, is_cached
from zoo_core.weights.hub.hub_config import read_hub_config
from zoo_core.weights.hub.repository import push_to_hub, save_for_hub

REPO = "org/net.tag"
COMMIT = "c" * 40
CONFIG = {
    "architecture": "net",
    "num_classes": 5,
    "num_features": 8,
    "pretrained_cfg": {
        "tag": "in1k",
        "url": "https://elsewhere.example/net.pth",
        "custom_load": False,
        "input_size": [3, 64, 64],
        "mean": [0.5, 0.5, 0.5],
        "num_classes": 1000,
        "test_pool_size": None,
        "a_field_of_another_program": 1,
    },
    "model_args": {"act_layer": "silu"},
}


@pytest.fixture(params=[True, False], ids=["client", "https"])
def by_client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if not request.param:
        monkeypatch.setitem(sys.modules, "huggingface_hub", None)  # as if it were not installed
    return bool(request.param)


@pytest.fixture
def hub(server: Server, weights: bytes, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    server.add_repository(REPO, {"model.safetensors": weights, "config.json": json.dumps(CONFIG).encode()})
    return server


def cdn(content: bytes) -> str:
    return f"/cdn/{hashlib.sha256(content).hexdigest()}"


def test_a_repository_s_weights_are_fetched_once(hub: Server, weights: bytes, tmp_path: Path, by_client: bool) -> None:
    cfg = PretrainedCfg(hf_hub_id=REPO)
    assert not is_cached(cfg)
    path = fetch_weights(cfg)
    assert path.read_bytes() == weights
    assert path.is_relative_to(tmp_path / ("hf" if by_client else "zoo")), "the client's cache is shared with others"
    assert is_cached(cfg)
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


@pytest.mark.parametrize("repo", ["org/none", REPO])
def test_what_the_hub_does_not_have_is_one_line(hub: Server, repo: str, by_client: bool) -> None:
    cfg = PretrainedCfg(hf_hub_id=repo, hf_hub_filename="none.bin", architecture="net", tag="tag")
    with pytest.raises(WeightsError, match=r"^net\.tag: [^\n]*none[^\n]* does not exist[^\n]*$"):
        fetch_weights(cfg)


def test_the_url_serves_where_the_hub_does_not(hub: Server, weights: bytes, by_client: bool) -> None:
    url = hub.add("/net.safetensors", weights)
    path = fetch_weights(PretrainedCfg(url=url, hf_hub_id="org/none"))
    assert (path.name, path.read_bytes()) == ("net.safetensors", weights)


def test_an_unreachable_hub_is_one_line(monkeypatch: pytest.MonkeyPatch, by_client: bool) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # the client's back-off takes 23 s and has no option
    with pytest.raises(WeightsError, match=r"^net: [^\n]* cannot be reached[^\n]*$"):
        fetch_weights(PretrainedCfg(hf_hub_id=REPO, architecture="net"))


def test_a_hub_cache_that_cannot_be_written_is_one_line(hub: Server, by_client: bool) -> None:
    with pytest.raises(WeightsError, match=r"^the cache folder /proc/zoo cannot be written [^\n]*cache_dir$"):
        fetch_weights(PretrainedCfg(hf_hub_id=REPO), cache_dir="/proc/zoo")


def test_eight_processes_make_one_transfer_from_the_hub(server: Server, large: bytes, by_client: bool) -> None:
    server.add_repository(REPO, {"model.safetensors": large})
    hide = "" if by_client else "sys.modules['huggingface_hub'] = None;"
    code = (
        f"import sys; {hide} from zoo_core.config import PretrainedCfg;"
        "from zoo_core.weights.fetch import fetch_weights;"
        "print(fetch_weights(PretrainedCfg(hf_hub_id=sys.argv[1])))"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, REPO],
            env={**os.environ, "HF_ENDPOINT": server.url},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    paths = {process.communicate(timeout=300)[0].strip() for process in processes}
    assert len(paths) == 1
    assert Path(paths.pop()).read_bytes() == large
    assert len(server.requests(cdn(large))) == 1


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


def test_a_repository_says_what_its_model_is(hub: Server, weights: bytes, by_client: bool) -> None:
    model = read_hub_config(f"hf-hub:{REPO}")
    assert model.architecture == "net"
    assert model.model_args == {"act_layer": "silu"}
    cfg = model.pretrained_cfg
    assert (cfg.num_classes, cfg.input_size, cfg.mean) == (5, (3, 64, 64), (0.5, 0.5, 0.5))
    assert cfg.hf_hub_id == f"{REPO}@{COMMIT}", "the weights of the config's commit, whatever comes after it"
    assert cfg.url is None
    assert fetch_weights(cfg).read_bytes() == weights


def test_a_new_commit_is_noticed(hub: Server, by_client: bool) -> None:
    read_hub_config(f"hf-hub:{REPO}")
    new = save({"new": torch.ones(1)})
    hub.add_repository(REPO, {"config.json": json.dumps({**CONFIG, "num_classes": 7}).encode()}, commit="e" * 40)
    hub.add_repository(REPO, {"model.safetensors": new}, commit="e" * 40)
    model = read_hub_config(f"hf-hub:{REPO}")
    assert model.pretrained_cfg.num_classes == 7
    assert fetch_weights(model.pretrained_cfg).read_bytes() == new
    assert read_hub_config(f"hf-hub:{REPO}@{COMMIT}").pretrained_cfg.num_classes == 5


def test_without_the_hub_the_last_answer_serves(hub: Server, monkeypatch: pytest.MonkeyPatch, by_client: bool) -> None:
    first = read_hub_config(f"hf-hub:{REPO}")
    for resource in hub.resources.values():
        resource.failures = [(503, {})] * 20
        resource.redirect = None
    assert read_hub_config(f"hf-hub:{REPO}") == first


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{}", "names no architecture"),
        (b"<html>", "cannot be read"),
        (b'{"architecture": "net", "pretrained_cfg": 3}', "pretrained_cfg is no object"),
    ],
)
def test_a_repository_of_something_else_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_hub_config(f"local-dir:{tmp_path}")


def test_a_folder_without_a_config_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"there is no .*config\.json"):
        read_hub_config(f"local-dir:{tmp_path}")


def test_old_configs_have_the_fields_beside_the_architecture(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "net", "num_classes": 3, "crop_pct": 0.9}))
    model = read_hub_config(f"local-dir:{tmp_path}")
    assert (model.pretrained_cfg.num_classes, model.pretrained_cfg.crop_pct) == (3, 0.9)
    assert not model.pretrained_cfg.has_weights


def tiny(num_classes: int = 5, in_chans: int = 3) -> TinyNet:
    net = TinyNet(TinyConfig(), num_classes=num_classes, in_chans=in_chans)
    first = next(name for name, module in net.named_modules() if isinstance(module, torch.nn.Conv2d))
    net.pretrained_cfg = PretrainedCfg(
        architecture="tiny", tag="old", url="https://elsewhere.example/x.pth", num_classes=10, first_conv=first,
        input_size=(3, 32, 32), mean=(0.1, 0.2, 0.3), label_names=("a",) * 10, license="mit", metrics={"accuracy": 0.9},
    ).to_dict()  # fmt: skip
    return net


def test_a_saved_model_is_read_as_it_is_now(tmp_path: Path) -> None:
    net = tiny(num_classes=5, in_chans=1)
    save_for_hub(net, tmp_path / "new" / "folder", model_args={"widths": [4, 6, 8]})
    model = read_hub_config(f"local-dir:{tmp_path}/new/folder")
    cfg = model.pretrained_cfg
    assert (model.architecture, cfg.num_classes, cfg.input_size) == ("tiny", 5, (1, 32, 32))
    assert cfg.license is None, "the licence of other weights"
    assert cfg.mean == pytest.approx((0.2,))
    assert cfg.label_names is None, "names of classes that are gone"
    assert model.model_args == {"widths": [4, 6, 8], "in_chans": 1}
    state_dict = load_file(fetch_weights(cfg))
    assert state_dict.keys() == net.state_dict().keys()
    assert all(torch.equal(tensor, state_dict[name]) for name, tensor in net.state_dict().items())


def test_a_model_without_a_name_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="without an architecture"):
        save_for_hub(torch.nn.Linear(1, 1), tmp_path)


def test_a_pushed_model_is_a_repository(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    net = tiny()
    address = push_to_hub(net, "org/tiny", token="hf_secret")
    assert address.startswith(server.url)
    server.add_repository("org/tiny", server.commits["org/tiny"])
    cfg = read_hub_config("hf-hub:org/tiny").pretrained_cfg
    assert load_file(fetch_weights(cfg)).keys() == net.state_dict().keys()


def test_pushing_needs_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(WeightsError, match=r"pip install 'zoo-core\[hub\]'"):
        push_to_hub(tiny(), "org/tiny")


def test_the_mirror_has_the_hub_s_files_too(hub: Server, weights: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://huggingface.co")
    monkeypatch.setenv("ZOO_MIRROR", f"{hub.url}/mirror")
    hub.add(f"/mirror/huggingface.co/{REPO}/resolve/main/model.safetensors", weights)
    assert fetch_weights(PretrainedCfg(hf_hub_id=REPO)).read_bytes() == weights
