"""One plugin, whatever its files hold, changes nothing for the others; the doctor tells of it, and
always runs."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import importlib_metadata
import pytest
import zoo_core as zoo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zoo_core import registry
from zoo_core.cli.main import main
from zoo_core.discovery.doctor import describe, examine
from zoo_core.discovery.entry_points import scan
from zoo_core.discovery.manifest import HEADER
from zoo_core.discovery.resources import LIMIT_BYTES
from zoo_core.errors import PluginError, ZooError

if TYPE_CHECKING:
    from pathlib import Path

    from sites import Site

HEALTHY = {"good18": ["a", "b"], "good101": [], "better": ["t"]}
LISTINGS: list[dict[str, Any]] = [
    {},
    {"include_tags": True},
    {"pretrained": True},
    {"family": "good"},
    {"module": "zoo_good"},
    {"name_matches_cfg": True, "include_tags": True},
]


def answers() -> list[Any]:
    """Everything that is said of the healthy plugin."""
    names = {*HEALTHY, *(f"{name}.{tag}" for name, tags in HEALTHY.items() for tag in tags)}
    listed = [[name for name in zoo.list_models(**options) if name in names] for options in LISTINGS]
    found = [registry.find_model(name).qualified_name for name in sorted(names)]
    configs = [registry.get_pretrained_cfg(name) for name in sorted(names)]
    return [*listed, found, configs, "good" in zoo.list_families(), [zoo.is_model(name) for name in names]]


def doctor() -> str:
    """What the doctor says; it must be text that can be sent as JSON."""
    index = registry.current_index()
    problems = [(problem.distribution, problem.what, problem.remedy) for problem in examine(index)]
    return json.dumps([problems, describe(index)])


def ask_everything() -> None:
    """Ask for every name there is: only our own errors may come of it."""
    index = registry.current_index()
    for name in [*index.owners, *index.aliases, "nosuch", "x.y"]:
        for ask in (registry.find_model, registry.get_pretrained_cfg, registry.is_model_pretrained):
            try:
                ask(name)
            except ZooError as error:
                assert str(error)  # noqa: PT017 - which error it is depends on what was drawn


class Intruder:
    """A distribution whose every file a test chooses."""

    def __init__(self, site: Site) -> None:
        self.site, self.package = site, site.root / "zoo_bad"
        site.plugin("zoo-good", HEALTHY, family="good")
        self.info = site.root / "zoo_bad-1.0.dist-info"
        self.expected = answers()

    def write(
        self,
        models: bytes = b"",
        configs: bytes = b"{}",
        points: str = "bad = zoo_bad:models.json",
        metadata: bytes = b"Name: zoo-bad\nVersion: 1.0\n",
        folder: str = "zoo_bad-1.0.dist-info",
    ) -> None:
        shutil.rmtree(self.info, ignore_errors=True)
        shutil.rmtree(self.package, ignore_errors=True)
        self.info = self.site.root / folder
        self.info.mkdir()
        self.package.mkdir()
        (self.package / "__init__.py").write_text("")
        (self.package / "models.json").write_bytes(models)
        (self.package / "configs.json").write_bytes(configs)
        (self.info / "METADATA").write_bytes(metadata)
        (self.info / "entry_points.txt").write_bytes(
            f"[zoo_core.models]\n{points}\n".encode("utf-8", "surrogateescape")
        )
        registry.refresh()

    def check(self) -> str:
        """Nothing has changed for the others; returns what the doctor says."""
        assert answers() == self.expected
        ask_everything()
        return doctor()


@pytest.fixture
def intruder(site: Site) -> Intruder:
    return Intruder(site)


def manifest(**changes: Any) -> bytes:
    row = {"constructor": "zoo_bad:bad", "default": "t", "tags": ["t", "u"], "untrained": ["u"]}
    values: dict[str, Any] = {"api": 1, "family": "bad", "configs": "configs.json", "aliases": {}}
    values["architectures"] = {"bad": row | changes.pop("row", {})}
    return json.dumps(values | changes).encode()


@pytest.mark.parametrize(
    "row",
    [
        {"tags": None},
        {"tags": 3},
        {"tags": [1, None]},
        {"tags": ["t", "t", "u"]},
        {"tags": ["t", "u", "a\nb"]},
        {"tags": "tu"},
        {"tags": {"t": 1}},
        {"untrained": 3},
        {"untrained": "u"},
        {"untrained": ["other"]},
        {"default": 3},
        {"default": ["t"]},
        {"default": "other"},
        {"constructor": None},
        {"constructor": 7},
        {"constructor": "zoo_bad"},
        {"constructor": "\x1b[2J:x"},
        {"constructor": "../x:y"},
        {"family": "a\nb"},
    ],
    ids=str,
)
@pytest.mark.parametrize("header", [True, False])
def test_a_wrong_row(intruder: Intruder, row: dict[str, Any], header: bool) -> None:
    models = manifest(row=row)
    if header:
        line = HEADER.format(api=1, family="bad", configs="configs.json", names="bad", old_names="")
        models = line.encode() + b"\n" + models[1:]
    intruder.write(models)
    (field,) = row
    assert f"{field!r} of 'bad' in its manifest in zoo_bad cannot be" in json.loads(intruder.check())[0][0][1]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"api": "1"}, "has no API version"),
        ({"api": None}, "has no API version"),
        ({"family": "a\nb"}, "'family' of its manifest"),
        ({"family": "a b"}, "'family' of its manifest"),
        ({"family": 3}, "'family' of its manifest"),
        ({"family": "\udce9"}, "'family' of its manifest"),
        ({"configs": 3}, "'configs' of its manifest"),
        ({"configs": "../../x.json"}, "'configs' of its manifest"),
        ({"configs": "/etc/passwd"}, "'configs' of its manifest"),
        ({"configs": "a/../../x.json"}, "'configs' of its manifest"),
        ({"configs": "..\\x.json"}, "'configs' of its manifest"),
        ({"configs": "c:x.json"}, "'configs' of its manifest"),
        ({"aliases": {"old": 3}}, "'aliases' of its manifest"),
        ({"aliases": {"o ld": "bad"}}, "'aliases' of its manifest"),
        ({"aliases": {"old": "a..b"}}, "'aliases' of its manifest"),
    ],
    ids=str,
)
def test_a_wrong_field_of_the_manifest(intruder: Intruder, changes: dict[str, Any], problem: str) -> None:
    intruder.write(manifest(**changes))
    assert problem in intruder.check()


@pytest.mark.parametrize(
    "changes",
    [{"family": "a\x0bb"}, {"family": "a b"}, {"configs": "../../x.json"}, {"names": "bad bad"}, {"old_names": "a..b"}],
    ids=str,
)
def test_a_wrong_header(intruder: Intruder, changes: dict[str, str]) -> None:
    fields = {"family": "bad", "configs": "configs.json", "names": "bad", "old_names": ""} | changes
    intruder.write(HEADER.format(api=1, **fields).encode() + b"\n" + manifest()[1:])
    assert "of its manifest" in intruder.check() or "its manifest in zoo_bad" in intruder.check()


@pytest.mark.parametrize("name", ["a b", "a\x1b[2J", "\u202ex", "\udce9", "tab\there"])
def test_an_entry_point_with_an_odd_name(intruder: Intruder, name: str) -> None:
    intruder.write(points=f"{name} = zoo_bad:net")
    intruder.check()
    assert [plugin.state for plugin in registry.plugins() if plugin.distribution == "zoo-bad"] == ["broken"]


@pytest.mark.parametrize("value", ["zoo_bad:../../x.json", "zoo_bad./etc:passwd.json", "zoo_bad:/etc/x.json", "\x1b:x"])
def test_an_entry_point_that_leaves_its_package(intruder: Intruder, value: str) -> None:
    (intruder.site.root / "x.json").write_bytes(manifest())
    intruder.write(points=f"bad = {value}")
    assert "zoo-bad" in intruder.check()
    assert [plugin.state for plugin in registry.plugins() if plugin.distribution == "zoo-bad"] == ["broken"]


DEEP = b'{"a": ' * 100_000 + b"1" + b"}" * 100_000


@pytest.mark.parametrize("configs", [DEEP, b"[" * 100_000, b"[1]", b'{"bad.t": 3}', b"\xff", b"1" * 6000, b"nul"])
def test_configs_that_are_none(intruder: Intruder, configs: bytes) -> None:
    intruder.write(manifest(), configs)
    assert "unreadable default configs" in intruder.check()
    assert "bad.t" in zoo.list_models(include_tags=True)
    with pytest.raises(PluginError, match=r"configs\.json in zoo_bad"):
        registry.get_pretrained_cfg("bad")


def test_a_manifest_nested_too_deep(intruder: Intruder) -> None:
    intruder.write(DEEP)
    assert "not valid JSON" in intruder.check()


@pytest.mark.parametrize("field", [{"num_classes": float("nan")}, {"mean": 3}, {"notes": [[]]}, {"x\x1b": 1}, {"": 0}])
def test_a_wrong_default_config(intruder: Intruder, field: dict[str, Any]) -> None:
    intruder.write(manifest(), json.dumps({"bad.t": field, "bad.u": {}}).encode())
    assert "has a broken default config 'bad.t'" in intruder.check()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this platform has no named pipes")
@pytest.mark.parametrize("file", ["zoo_bad/models.json", "zoo_bad/configs.json", "METADATA", "entry_points.txt"])
@pytest.mark.parametrize("kind", ["pipe", "device", "giant", "folder"])
def test_files_that_have_no_end(intruder: Intruder, file: str, kind: str) -> None:
    intruder.write(manifest())
    path = intruder.site.root / file if "/" in file else intruder.info / file
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        with path.open("wb") as giant:
            giant.truncate(100 * LIMIT_BYTES)
    registry.refresh()
    said = intruder.check()
    if "/" in file:
        assert "zoo-bad" in said


@pytest.mark.parametrize(
    "folder", ["zoo-bad-1.0.dist-info", "zoo.bad-1.0.dist-info", "zoo-bad.egg-info", "Zoo-Bad-1.dist-info"]
)
@pytest.mark.parametrize("variable", ["ZOO_DISABLE_PLUGINS", "ZOO_PLUGINS"])
def test_a_folder_named_out_of_form_does_not_get_around_the_settings(
    intruder: Intruder, folder: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "zoo-bad" if variable == "ZOO_DISABLE_PLUGINS" else "zoo-good zoo")
    intruder.write(manifest(), folder=folder)
    assert "bad" not in zoo.list_models()
    assert [entry.distribution for entry, _ in registry.current_index().disabled] == ["zoo-bad"]
    oracle = {d.metadata["Name"]: d.version for d in importlib_metadata.distributions(path=[str(intruder.site.root)])}
    assert {point.distribution: point.version for point in scan([str(intruder.site.root)]).entry_points} == oracle


def test_a_distribution_that_cannot_be_named_so(intruder: Intruder) -> None:
    intruder.write(manifest(), folder="zoo bad\x1b-1.0.dist-info")
    assert "none can have that name" in intruder.check()
    assert [plugin.distribution for plugin in registry.plugins()] == ["zoo-good"]


def test_the_commands_tell_of_it_and_go_on(intruder: Intruder, capsys: pytest.CaptureFixture[str]) -> None:
    intruder.write(manifest(family="a\nb"), metadata=b"Name: zoo-bad\nVersion: 1.0\nRequires-Dist: >=1\n")
    assert main(["list"]) == 0
    assert capsys.readouterr().out.split() == ["better", "good18", "good101"]
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "'family' of its manifest in zoo_bad is 'a\\nb'" in said
    assert "needs '>=1', which is no requirement" in said


def test_a_long_listing_goes_on_behind_a_broken_config(intruder: Intruder, capsys: pytest.CaptureFixture[str]) -> None:
    intruder.write(manifest(), json.dumps({"bad.t": {"size": "big"}}).encode())
    assert main(["list", "--long", "--json"]) == 0
    out, err = capsys.readouterr()
    assert [row["name"] for row in json.loads(out)] == ["better.t", "good18.a", "good18.b"]
    assert "'size' must be a count of bytes" in err


TEXT = st.text(max_size=8) | st.sampled_from(
    [
        "a b",
        "a\nb",
        "\x1b[2J",
        "\u202e",
        "\udce9",
        "..",
        "a..b",
        "bad",
        "t",
        "../../x",
        "/etc/passwd",
        "zoo_bad:bad",
        "7" * 300,
    ]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["bad", "worse18", "worse-101"]) | TEXT
ROW = st.fixed_dictionaries(
    {"constructor": st.just("zoo_bad:bad") | ANYTHING},
    optional={
        "tags": st.lists(st.sampled_from(["t", "u"]), max_size=3) | ANYTHING,
        "default": st.sampled_from(["t", "u"]) | ANYTHING,
        "untrained": st.lists(st.sampled_from(["t", "u"]), max_size=2) | ANYTHING,
        "family": TEXT,
    },
)
BODY = st.fixed_dictionaries(
    {"api": st.sampled_from([1, 1, 1, 2]) | ANYTHING},
    optional={
        "family": st.just("bad") | ANYTHING,
        "configs": st.just("configs.json") | ANYTHING,
        "architectures": st.dictionaries(NAMES, ROW | ANYTHING, max_size=3) | ANYTHING,
        "aliases": st.dictionaries(NAMES, NAMES, max_size=2) | ANYTHING,
    },
)
FIELDS = st.fixed_dictionaries(
    {
        "family": TEXT,
        "configs": st.just("configs.json") | TEXT,
        "names": NAMES | st.just("bad worse18"),
        "old_names": NAMES,
    }
)


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


MANIFESTS = st.one_of(
    st.binary(max_size=60),
    BODY.map(encoded),
    st.builds(
        lambda fields, body: (
            HEADER.format(api=1, **fields).encode("utf-8", "surrogateescape") + b"\n" + encoded(body)[1:]
        ),
        FIELDS.filter(lambda fields: all(text.encode("utf-8", "ignore").decode() == text for text in fields.values())),
        BODY,
    ),
)
CONFIGS = st.one_of(
    st.binary(max_size=20),
    ANYTHING.map(encoded),
    st.dictionaries(st.sampled_from(["bad.t", "bad", "bad.u"]) | TEXT, st.dictionaries(TEXT, ANYTHING) | ANYTHING).map(
        encoded
    ),
)
LINES = st.lists(st.tuples(TEXT | st.just("bad"), TEXT | st.just("zoo_bad:models.json")), max_size=3)
FOLDERS = st.sampled_from(
    ["zoo_bad-1.0", "zoo-bad-1.0", "zoo bad-1.0", "-1", "zoo_bad", "x\x1b-2", "\udce9-1", "~oo-1", "a-b-c-d"]
)
_cases = itertools.count()


@settings(
    max_examples=600,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(
    MANIFESTS,
    CONFIGS,
    LINES,
    st.binary(max_size=60) | st.just(b"Name: zoo-bad\nVersion: 1\nRequires-Dist: x\n"),
    FOLDERS,
)
def test_whatever_a_plugin_holds_the_others_are_as_they_were(
    intruder: Intruder, models: bytes, configs: bytes, lines: list[tuple[str, str]], metadata: bytes, folder: str
) -> None:
    points = "\n".join(["bad = zoo_bad:models.json", *(f"{name} = {value}" for name, value in lines)])
    points = points.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
    intruder.write(models, configs, points, metadata, f"{folder}.dist-info")
    intruder.check()


def test_the_files_of_a_healthy_plugin_are_in_order(intruder: Intruder, tmp_path: Path) -> None:
    """What the other tests compare with is itself right."""
    assert intruder.expected[0] == ["better", "good18", "good101"]
    assert json.loads(doctor())[0] == []
