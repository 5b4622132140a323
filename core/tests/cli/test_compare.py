"""``zoo compare``: models side by side."""

from __future__ import annotations

import json

import pytest
from shop import shop
from sites import Site
from zoo_core.cli.main import main


@pytest.fixture(autouse=True)
def _shop(site: Site) -> None:
    shop(site)


def test_models_stand_side_by_side_as_they_were_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "large", "small.b", "silent", "large"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["model", "params", "macs", "acts", "top-1", "top-5", "at", "licence"]
    assert table[1].split() == ["large.a", "60M", "9G", "6M", "85.50", "97.00", "100", "mit"]
    assert table[2].split() == ["small.b", "5M", "500M", "500k", "75.00", "100", "cc-by-nc-4.0"]
    assert table[3].split() == ["silent.a", "not", "stated"]
    assert table[4] == ""
    assert table[6].split() == ["large.a", "8/2:NLC", "16/4:NLC"]
    assert table[7].split() == ["small.b", "8/2", "16/4"]
    assert max(map(len, table)) <= 80


def test_as_json_they_have_every_fact(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "small", "large", "--json"]) == 0
    small, large = json.loads(capsys.readouterr().out)
    assert (small["name"], small["top1"], small["parameters"]) == ("small.a", 71, 5_000_000)
    assert (large["layouts"], large["fixed_input_size"]) == (["NLC", "NLC"], True)


def test_an_unknown_model_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "small", "lrage"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("zoo: error: unknown model 'lrage'")
    assert "Did you mean 'large'?" in err
