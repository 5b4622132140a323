"""`zoo manifest`: the files from a plugin's tables, the same bytes every time."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
import torch.fx.experimental.symbolic_shapes  # noqa: F401 - while sys.path has the standard library only
import zoo_core as zoo
import zoo_core.network.infer
from zoo_core import registry
from zoo_core.cli.main import main
from zoo_core.discovery.facts import Facts, Result, find_facts, find_results
from zoo_core.errors import PluginError
from zoo_kit.manifest.write import families_of, manifest_texts, write_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from sites import Site

INIT = """
import dataclasses
from zoo_core.config import PretrainedCfg
from zoo_core.family import Family

@dataclasses.dataclass(frozen=True, kw_only=True)
class NetConfig:
    width: int = 4

PRETRAINED = {
    "tab10.good": PretrainedCfg(url="https://x/tab10", num_classes=10, input_size=(3, 33, 65), license="mit"),
    "tab10.plan": PretrainedCfg(num_classes=0, classifier="other"),
}
FAMILY = Family(
    name="tab", package=__name__, network=f"{__name__}.net:Net",
    architectures={"tab10": NetConfig(), "tab2": NetConfig(width=2)},
    pretrained=PRETRAINED, aliases={"old_tab": "tab10.good"},
)
SAME = FAMILY
def __getattr__(name): return FAMILY.constructor(name)
"""
NET = """
from torch import nn
class Net(nn.Module):
    def __init__(self, cfg, *, num_classes=1000, in_chans=3):
        super().__init__()
        self.bn0 = nn.BatchNorm2d(in_chans)
        self.stem = nn.Sequential(nn.Conv2d(in_chans, cfg.width, 3, 2, 1), nn.Conv2d(cfg.width, cfg.width, 3, 16, 1))
        self.head = nn.Linear(cfg.width, num_classes) if num_classes else nn.Identity()
        self.feature_info = [{"num_chs": cfg.width, "reduction": 32, "module": "stem"}]
    def forward(self, x):
        return self.head(self.stem(x).mean((2, 3)))
    def get_classifier(self):
        return self.head
"""


@pytest.fixture
def package(site: Site) -> Path:
    folder = site.package("zoo_tab", {"__init__.py": INIT, "net.py": NET})
    site.info("zoo-tab", entry_points="[zoo_core.models]\ntab = zoo_tab:models.json\n")
    return folder


def test_writes_what_the_registry_reads(package: Path) -> None:
    assert write_manifest("zoo_tab") == [package / name for name in ("models.json", "configs.json", "facts.json")]
    header = (package / "models.json").read_text().splitlines()[0]
    assert header == (
        '{"api": 1, "family": "tab", "configs": "configs.json", "names": "tab2 tab10", "old_names": "old_tab",'
    )
    models = json.loads((package / "models.json").read_bytes())
    assert models["architectures"] == {
        "tab10": {
            "constructor": "zoo_tab:tab10",
            "default": "good",
            "tags": ["good", "plan"],
            "untrained": ["plan"],
        },
        "tab2": {"constructor": "zoo_tab:tab2"},
    }
    assert models["aliases"] == {"old_tab": "tab10.good"}
    zoo.refresh()
    assert zoo.list_models(module="zoo_tab") == ["tab2", "tab10"]
    assert zoo.list_models(module="zoo_tab", pretrained=True) == ["tab10.good"]


def test_derives_what_follows_from_the_network(package: Path) -> None:
    write_manifest("zoo_tab")
    configs = json.loads((package / "configs.json").read_bytes())
    assert configs == {
        "tab10.good": {
            "url": "https://x/tab10",
            "size": 4 * (3 * 4 + 3 * 4 * 9 + 4 + 4 * 4 * 9 + 4 + 4 * 10 + 10) + 8,  # tensors in float32, and a counter
            "input_size": [3, 33, 65],
            "num_classes": 10,
            "pool_size": [2, 3],
            "first_conv": "stem.0",
            "classifier": "head",
            "license": "mit",
        },
        "tab10.plan": {"num_classes": 0, "pool_size": [7, 7], "first_conv": "stem.0", "classifier": "other"},
        "tab2": {"pool_size": [7, 7], "first_conv": "stem.0", "classifier": "head"},
    }
    zoo.refresh()
    assert zoo.get_pretrained_cfg_value("tab2", "first_conv") == "stem.0"
    assert zoo.get_pretrained_cfg("tab10").tag == "good"


def test_measures_what_people_choose_by(package: Path) -> None:
    write_manifest("zoo_tab")
    zoo.refresh()
    first, second = 4 * 17 * 33, 4 * 2 * 3  # numbers that each convolution yields of 33 x 65 pixels
    facts = find_facts(registry.find_model("tab10"))
    assert facts == Facts(
        parameters=2 * 3 + 4 * 3 * 9 + 4 + 4 * 4 * 9 + 4 + 4 * 10 + 10,
        macs=first * 3 * 9 + second * 4 * 9 + 4 * 10,
        activations=first + second + 10,
        input_size=(3, 33, 65),
        channels=(4,),
        reductions=(32,),
        modules=("stem",),
    )
    assert facts.layouts == ("NCHW",)
    assert find_facts(registry.find_model("tab2")).input_size == (3, 224, 224)


@pytest.mark.parametrize("looks", ["if x.sum() > 1e9: x = -x", "x = x * int(x.mean().item() + 1)"])
def test_a_network_that_looks_at_values_is_measured_in_memory(package: Path, looks: str) -> None:
    write_manifest("zoo_tab")
    before = (package / "facts.json").read_text()
    (package / "net.py").write_text(
        NET.replace("        return self.head(", f"        {looks}\n        return self.head(")
    )
    del sys.modules["zoo_tab"], sys.modules["zoo_tab.net"]
    assert write_manifest("zoo_tab") == []
    assert (package / "facts.json").read_text() == before


def test_a_network_that_cannot_run_is_named(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (package / "net.py").write_text(NET.replace("self.head(", "self.surely_missing("))
    assert main(["manifest", "zoo_tab"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("zoo: error: tab10 cannot run an image of (3, 33, 65): AttributeError: ")


def test_results_are_checked_and_written_in_one_form(package: Path) -> None:
    file = package / "results.json"
    file.write_text('{"tab10.good": [{"image_size": 33, "top1": 71.5}]}')
    assert file in write_manifest("zoo_tab")
    assert file.read_text() == '{\n"tab10.good": [{"image_size": 33, "top1": 71.5}]\n}\n'
    assert write_manifest("zoo_tab") == []
    zoo.refresh()
    assert find_results(registry.find_model("tab10.good")) == (Result(image_size=33, top1=71.5),)
    assert find_results(registry.find_model("tab10.plan")) == ()
    for text, problem in RESULTS.items():
        file.write_text(text)
        with pytest.raises(PluginError) as caught:
            write_manifest("zoo_tab")
        assert problem in str(caught.value)


RESULTS = {
    '{"tab10.best": [{"image_size": 33, "top1": 71.5}]}': "has a result of 'tab10.best', and no such weights",
    '{"tab10.good": [{"image_size": 33, "top1": 715}]}': "'tab10.good': 'top1' must be a number from 0 to 100, not 715",
    '{"tab10.good": [{"top1": 71.5}]}': "it has no 'image_size'",
    "[]": "is not an object",
    "{": "is not valid JSON",
}


def test_is_deterministic_and_checks(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["manifest", "zoo_tab"]) == 0
    assert capsys.readouterr().out.split() == [
        *("wrote", f"{package}/models.json", "wrote", f"{package}/configs.json", "wrote", f"{package}/facts.json")
    ]
    before = (package / "models.json").read_bytes(), (package / "configs.json").read_bytes()
    assert main(["manifest", "zoo_tab", "--check"]) == 0
    assert main(["manifest", "zoo_tab"]) == 0
    assert capsys.readouterr().out == ""
    assert before == ((package / "models.json").read_bytes(), (package / "configs.json").read_bytes())
    assert b"\r" not in before[0]
    (package / "configs.json").write_text("{}")
    assert main(["manifest", "zoo_tab", "--check"]) == 1
    assert capsys.readouterr().err == f"out of date: {package}/configs.json\nrun: zoo manifest zoo_tab\n"
    assert (package / "configs.json").read_text() == "{}"


def test_one_row_a_line(package: Path) -> None:
    (family,) = families_of("zoo_tab")
    texts = manifest_texts(family)
    assert sum('"constructor"' in line for line in texts["models.json"].splitlines()) == 2
    assert len(texts["configs.json"].splitlines()) == 5
    assert all(text.endswith("}\n") for text in texts.values())


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("FAMILY = Family(", "FAMILY = dict("), "package 'zoo_tab' declares no zoo_core.Family"),
        (("import dataclasses", "import surely_missing"), "cannot import the package 'zoo_tab': No module named"),
        (
            ("SAME = FAMILY", "OTHER = dataclasses.replace(FAMILY, name='b')"),
            "two families say that they lie in 'zoo_tab'",
        ),
        (('"old_tab": "tab10.good"', '"tab2": "tab10"'), "'tab2' that cannot work: it is an architecture's name"),
        (('"old_tab": "tab10.good"', '"old": "tab10.x"'), "'old' that cannot work: there is no 'tab10.x'"),
        (('"tab10.good": P', '"tab11.good": P'), "has weights 'tab11.good', but no such architecture"),
        (('"tab2": NetConfig', '"tab 2": NetConfig'), "no architecture can be named 'tab 2'"),
    ],
)
def test_tables_that_contradict_themselves(package: Path, change: tuple[str, str], problem: str) -> None:
    assert change[0] in INIT
    (package / "__init__.py").write_text(INIT.replace(*change))
    with pytest.raises(PluginError) as caught:
        write_manifest("zoo_tab")
    assert problem in str(caught.value)


def test_a_missing_package_is_a_mistake_of_one_line(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["manifest", "zoo_surely_missing"]) == 2
    assert capsys.readouterr().err == (
        "zoo: error: cannot import the package 'zoo_surely_missing': No module named 'zoo_surely_missing'\n"
    )
    assert "zoo_surely_missing" not in sys.modules
