"""Groups of licences, a project's policy, and the notice of weights that forbid commercial use."""

import logging
from pathlib import Path

import pytest
import zoo_core
from fetching import named
from hub_repositories import repository
from weight_server import Server
from zoo_core.config import PretrainedCfg
from zoo_core.errors import ConfigError, WeightsError
from zoo_core.weights import licence
from zoo_core.weights.fetch import fetch_weights
from zoo_core.weights.licence import POLICY, group_of


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


SPELLINGS = {
    "permissive": "apache-2.0; Apache 2.0; Apache License, Version 2.0; MIT; The MIT License; mit license; BSD; "
    "BSD 3-Clause; bsd-3-clause; BSL-1.0 OR MIT; ISC; CC-BY-4.0; cc by 4.0; CC0-1.0; Unlicense; MIT OR GPL-3.0; "
    "MIT AND Apache-2.0",
    "copyleft": "GPL-3.0; lgpl-2.1-or-later; AGPL-3.0-only; GNU General Public License v3; MPL-2.0; cc-by-sa-4.0; "
    "MIT AND GPL-3.0",
    "non-commercial": "cc-by-nc-4.0; CC BY-NC-SA 4.0; cc_by_nc_4.0; fair-noncommercial-research-license; "
    "Non-Commercial; apple-amlr; MIT AND cc-by-nc-4.0",
    "unknown": "; unknown; other; gemma; dinov3-license; cc-by-nd-4.0; summit; mit-like; BUSL-1.1",
}


@pytest.mark.parametrize(
    ("group", "licence"), [(g, each) for g, all_ in SPELLINGS.items() for each in all_.split("; ")]
)
def test_a_licence_has_a_group(group: str, licence: str) -> None:
    assert group_of(licence) == group


def test_without_a_licence_nothing_is_known() -> None:
    assert group_of(None) == "unknown"


@pytest.fixture
def published(server: Server, weights: bytes) -> PretrainedCfg:
    return PretrainedCfg(
        url=server.add(named(weights), weights), license="cc-by-nc-4.0", architecture="net", tag="x", origin_url="o"
    )


@pytest.mark.parametrize(
    "policy", ["", " ", "non-commercial", "permissive, non-commercial", "CC BY-NC 4.0", "mit,cc-by-nc-4.0"]
)
def test_a_policy_allows_groups_and_licences(
    published: PretrainedCfg, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POLICY, policy)
    assert fetch_weights(published).is_file()


def test_a_policy_refuses_the_others_before_anything_is_asked(
    published: PretrainedCfg, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POLICY, "permissive")
    for _ in range(2):
        with pytest.raises(WeightsError) as caught:
            fetch_weights(published)
        assert str(caught.value) == (
            "net.x: its weights are licensed cc-by-nc-4.0 (non-commercial), which ZOO_LICENSES='permissive' does not "
            "allow. See what it allows with `zoo list --pretrained --license permissive`, or add 'cc-by-nc-4.0' to "
            "ZOO_LICENSES"
        )
        assert server.log == []
        monkeypatch.delenv(POLICY)
        fetch_weights(published)  # on disk now
        server.log.clear()
        monkeypatch.setenv(POLICY, "permissive")


def test_weights_that_state_no_licence_are_refused(published: PretrainedCfg, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = published.overlaid({"license": None})
    monkeypatch.setenv(POLICY, "permissive")
    with pytest.raises(WeightsError, match=r"of unknown licence, .* add 'unknown' to ZOO_LICENSES"):
        fetch_weights(silent)
    monkeypatch.setenv(POLICY, "permissive,unknown")
    assert fetch_weights(silent).is_file()


def test_a_file_of_ones_own_is_not_asked(
    published: PretrainedCfg, weights: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POLICY, "permissive")
    (tmp_path / "mine.safetensors").write_bytes(weights)
    mine = published.overlaid({"file": str(tmp_path / "mine.safetensors")})
    assert fetch_weights(mine) == tmp_path / "mine.safetensors"


@pytest.mark.parametrize("policy", ["permisive", "mit, permissiv", "non_comercial"])
def test_a_misspelt_policy_is_an_error(published: PretrainedCfg, policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(POLICY, policy)
    with pytest.raises(ConfigError, match=r"there is no group of licences '[a-z-]+'. Did you mean '(permissive|non-)"):
        fetch_weights(published)


def test_creating_a_model_holds_the_policy(trusted_hub: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    name = repository(trusted_hub, "org/nc", pretrained_cfg={"license": "cc-by-nc-4.0", "num_classes": 5})
    monkeypatch.setenv(POLICY, "permissive")
    with pytest.raises(WeightsError, match=r"licensed cc-by-nc-4.0 \(non-commercial\)"):
        zoo_core.create_model(name, pretrained=True)
    zoo_core.create_model(name)  # without its weights, its licence does not matter
