"""The config.json of a repository: found, read and checked."""

import json
import os
from pathlib import Path

import pytest
import torch
import zoo_core
from hub_repositories import COMMIT, CONFIG, GOOD, REPO, is_good, repository
from safetensors.torch import save
from weight_server import Server
from zoo_core.errors import ConfigError, WeightsError, ZooError
from zoo_core.weights.fetch import fetch_weights
from zoo_core.weights.hub.hub_config import read_hub_config


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


@pytest.mark.parametrize(
    "field", [{"hf_hub_filename": "../../../secret.safetensors"}, {"hf_hub_filename": "/etc/passwd"},
              {"file": "/etc/passwd"}, {"url": "file:/etc/passwd"}, {"hf_hub_id": "org/other"}, {"sha256": "0" * 64}],
)  # fmt: skip
def test_a_repository_s_config_names_no_other_place(
    trusted_hub: Server, field: dict[str, str], by_client: bool
) -> None:
    name = repository(trusted_hub, "org/evil", pretrained_cfg={"num_classes": 5, **field})
    assert is_good(zoo_core.create_model(name, pretrained=True))


@pytest.mark.usefixtures("trusted_net")
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


@pytest.mark.usefixtures("trusted_net")
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


@pytest.mark.usefixtures("trusted_net")
def test_a_pipe_for_a_config_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(WeightsError, match="there is no"):
        zoo_core.create_model(f"local-dir:{tmp_path}")


@pytest.mark.usefixtures("trusted_net")
@pytest.mark.parametrize("path", ["~nosuchuser/x", "a\0b", "x" * 5000])
def test_a_folder_that_cannot_be_is_one_line(path: str) -> None:
    with pytest.raises(WeightsError, match=r"there is no .*config\.json"):
        zoo_core.create_model(f"local-dir:{path}")
