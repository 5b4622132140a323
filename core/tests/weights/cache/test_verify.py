"""Hashes in file names."""

import pytest
from weight_server import Server
from zoo_core.config import PretrainedCfg
from zoo_core.errors import WeightsError
from zoo_core.weights.fetch import fetch_weights


def test_a_date_in_a_name_is_no_hash(server: Server, weights: bytes, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("net-20240131.pth", "net-1706659200123.pth"):
        assert fetch_weights(PretrainedCfg(url=server.add(f"/{name}", weights))).read_bytes() == weights
    assert caplog.text.count("is unverified") == 2
    with pytest.raises(WeightsError, match="its file name says 46609757"):  # a published one that is digits alone
        fetch_weights(PretrainedCfg(url=server.add("/ecaresnet26t_ra2-46609757.pth", weights)))
