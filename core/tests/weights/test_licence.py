"""The notice of weights that forbid commercial use."""

import logging
from pathlib import Path

import pytest
import zoo_core
from fetching import named
from hub_repositories import repository
from weight_server import Server
from zoo_core.config import PretrainedCfg
from zoo_core.weights import licence
from zoo_core.weights.fetch import fetch_weights


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


def test_a_licence_is_no_path(
    trusted_hub: Server, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(cache)}
    name = repository(
        trusted_hub,
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
