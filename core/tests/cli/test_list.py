"""``zoo list`` as a way to choose: by size, cost, accuracy, licence."""

from __future__ import annotations

import json

import pytest
import zoo_core
from shop import shop
from sites import Site
from zoo_core.cli.main import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _shop(site: Site) -> None:
    shop(site)


def lines(capsys: Capture, *argv: str, code: int = 0) -> list[str]:
    assert main(["list", *argv]) == code
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--max-params", "20M"], "small vague"),
        (["--max-macs", "0.5G", "--tags"], "small.a small.b"),
        (["--min-top1", "75"], "large.a small.b"),
        (["--sort", "top1"], "large.a small.b small.a silent.a vague.a"),
        (["--sort", "params"], "small vague large silent"),
        (["--license", "permissive", "--sort", "top1"], "large.a small.a"),
        (["small", "--license", "cc-by-nc-4.0"], "small.b"),
        (["--exclude", "s*", "--sort", "macs"], "large vague"),
    ],
    ids=str,
)
def test_names_of_what_is_wanted(capsys: Capture, argv: list[str], expected: str) -> None:
    assert lines(capsys, *argv) == expected.split()
    assert json.loads("\n".join(lines(capsys, *argv, "--json"))) == expected.split()


def test_long_shows_what_people_choose_by(capsys: Capture) -> None:
    table = lines(capsys, "--long", "--sort", "top1")
    assert table[0].split() == ["weights", "params", "macs", "top-1", "size", "disk", "licence"]
    assert table[1].split() == ["large.a", "60M", "9G", "85.50", "no", "mit"]
    assert table[3].split() == ["small.a", "5M", "500M", "71.00", "20.0", "MB", "no", "apache-2.0"]
    assert table[4].split() == ["silent.a", "no"]
    assert max(map(len, table)) <= 80


def test_long_as_json_has_every_fact(capsys: Capture) -> None:
    (row,) = json.loads("\n".join(lines(capsys, "--long", "--json", "small", "--min-top1", "75")))
    assert (row["name"], row["top1"], row["license_group"]) == ("small.b", 75, "non-commercial")
    assert (row["channels"], row["reductions"], row["on_disk"]) == ([8, 16], [2, 4], False)
    assert row["results"] == [{"image_size": 100, "top1": 75, "top5": None}]


def test_patterns_choose_among_families(capsys: Capture) -> None:
    (first, *_) = every = lines(capsys, "--families")
    assert every == lines(capsys, "--families", "*")
    assert lines(capsys, "--families", f"{first[:-1]}?") == [first]
    assert lines(capsys, "--families", "no*family", code=1) == []


def test_families_are_those_of_the_wanted_models(site: Site, capsys: Capture) -> None:
    site.plugin("zoo-bare", {"bare": []}, family="bare")
    zoo_core.refresh()
    every = lines(capsys, "--families")
    assert set(every) == {"bare", "shop"}
    assert lines(capsys, "--families", "--pretrained") == ["shop"]
    assert lines(capsys, "--families", "--exclude", "b*") == ["shop"]
    assert lines(capsys, "--families", "--family", "bare", "--family", "other") == ["bare"]
    assert lines(capsys, "--families", "--module", "zoo_bare") == ["bare"]
    assert lines(capsys, "--families", "--module", "zoo_bare", "--pretrained", code=1) == []


def test_nothing_that_fits_is_said(capsys: Capture) -> None:
    assert main(["list", "--min-top1", "99"]) == 1
    assert capsys.readouterr().err == "zoo: no model matches; `zoo plugins` shows what is installed\n"


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (["--max-params", "30X"], "argument --max-params: '30X' is no count such as 250000, 30M or 4.1G"),
        (["--max-params", "-3M"], "argument --max-params: expected one argument"),
        (["--max-macs", "nan"], "argument --max-macs: 'nan' is no count such as 250000, 30M or 4.1G"),
        (["--max-macs", "0"], "argument --max-macs: '0' is no count such as 250000, 30M or 4.1G"),
        (["--min-top1", "101"], "argument --min-top1: '101' is no percentage, a number from 0 to 100"),
        (["--min-top1", "1e1"], "argument --min-top1: '1e1' is no percentage, a number from 0 to 100"),
        (["--sort", "tpo1"], "unknown --sort 'tpo1'. Did you mean 'top1'?"),
        (["--license", "permisive"], "there is no group of licences 'permisive'. Did you mean 'permissive'?"),
        (["--families", "--min-top1", "80"], "--families lists families, and takes no --min-top1"),
        (["--families", "--long"], "--families lists families, and takes no --long"),
        (["--families", "--tags"], "--families lists families, and takes no --tags"),
        (["--over", "macs"], "--over says what --plot draws: give --plot FILE too"),
        (["--plot", "x.png"], "the command 'list --plot' is in zoo-images: pip install zoo-images"),
    ],
    ids=str,
)
def test_a_bad_value_is_one_line_with_the_remedy(capsys: Capture, argv: list[str], problem: str) -> None:
    try:
        code = main(["list", *argv])
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    assert (code, capsys.readouterr().err) == (2, f"zoo: error: {problem}\n")


def test_broken_facts_of_one_plugin_hide_no_other(site: Site, capsys: Capture) -> None:
    site.plugin("zoo-bad", {"bad": ["t"]}, files={"facts.json": '{"bad": {"parameters": "all"}}'}, facts="facts.json")
    zoo_core.refresh()
    assert main(["list", "--long"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 6
    assert "has broken facts of 'bad': 'parameters' must be a whole number" in err


def test_names_alone_import_little(site: Site) -> None:
    program = (
        "import contextlib, io, sys\n"
        "from zoo_core.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()) as printed: main(['list'])\n"
        "print(printed.getvalue().split(), *sys.modules)"
    )
    names, _, loaded = site.run(program).stdout.partition("]")
    assert "small" in names
    slow = {"torch", "numpy", "dataclasses", "inspect", "json", "typing", "shutil", "logging", "pluggy", "pathlib"}
    assert not slow & set(loaded.split())
