"""The Hub's own client, and what takes its place where it is not installed: errors, and one
transfer."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hub_repositories import REPO, cdn
from weight_server import Server
from zoo_core.config import PretrainedCfg
from zoo_core.errors import WeightsError
from zoo_core.weights.fetch import fetch_weights


@pytest.mark.parametrize("repo", ["org/none", REPO])
def test_what_the_hub_does_not_have_is_one_line(hub: Server, repo: str, by_client: bool) -> None:
    cfg = PretrainedCfg(hf_hub_id=repo, hf_hub_filename="none.bin", architecture="net", tag="tag")
    with pytest.raises(WeightsError, match=r"^net\.tag: [^\n]*none[^\n]* does not exist[^\n]*$"):
        fetch_weights(cfg)


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
