"""Saved models come back the same: here, in timm, and in the image pipelines of transformers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import zoo_core as zoo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peers import prepare
from zoo_core import registry
from zoo_core.cli.main import main
from zoo_core.discovery.registered import LocalPlugin
from zoo_core.errors import OptionError, WeightsError

# One of each kind of network; the options of each that change what it computes.
KINDS = {
    "resnet18": {"act_layer": "silu", "output_stride": 16},
    "seresnext26d_32x4d": {"stem_type": "deep"},
    "densenet121": {"growth_rate": 16},
    "legacy_xception": {},
    "xception41": {"output_stride": 16},
    "cspresnet50": {},
    "cs3darknet_focus_s": {"act_layer": "relu"},
    "darknet17": {},
}


@pytest.fixture(scope="module")
def timm():
    prepare()
    return pytest.importorskip("timm")


def outputs(net: torch.nn.Module, channels: int = 3) -> torch.Tensor:
    torch.manual_seed(0)
    with torch.no_grad():
        return net.eval()(torch.rand(1, channels, 96, 96))


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize("name", KINDS)
def test_a_saved_model_is_the_same_network(name: str, tmp_path: Path) -> None:
    net = zoo.create_model(name, num_classes=7, **KINDS[name])
    zoo.save_for_hub(net, tmp_path, label_names=list("abcdefg"), input_size=(96, 128))
    back = zoo.create_model(f"local-dir:{tmp_path}", pretrained=True)
    assert same(net, back)
    assert torch.equal(outputs(net), outputs(back))
    assert back.pretrained_cfg["input_size"] == (3, 96, 128)
    assert back.pretrained_cfg["label_names"] == tuple("abcdefg")
    zoo.save_for_hub(back, tmp_path / "again")
    assert same(net, zoo.create_model(f"local-dir:{tmp_path}/again", pretrained=True))


@pytest.mark.peers
@pytest.mark.parametrize("name", KINDS)
def test_timm_reads_it(timm, name: str, tmp_path: Path) -> None:
    net = zoo.create_model(name, num_classes=7, in_chans=1, **KINDS[name])
    zoo.save_for_hub(net, tmp_path, label_names=list("abcdefg"), input_size=(96, 96))
    theirs = timm.create_model(f"local-dir:{tmp_path}", pretrained=True)
    assert torch.equal(outputs(net, 1), outputs(theirs, 1))
    assert tuple(theirs.pretrained_cfg["input_size"]) == (1, 96, 96)
    assert list(theirs.pretrained_cfg["label_names"]) == list("abcdefg")


@pytest.mark.peers
@pytest.mark.parametrize("name", KINDS)
def test_what_timm_saves_is_read(timm, name: str, tmp_path: Path) -> None:
    theirs = timm.create_model(name, num_classes=7, **KINDS[name])
    timm.models.save_for_hf(theirs, str(tmp_path), model_args=KINDS[name])
    assert same(theirs, zoo.create_model(f"local-dir:{tmp_path}", pretrained=True))


TRANSFORMERS = """
import sys
from peers import prepare
prepare()
from transformers import TimmWrapperForImageClassification
TimmWrapperForImageClassification.from_pretrained(sys.argv[1]).save_pretrained(sys.argv[2])
"""
PIPELINE = """
import json, sys
from peers import prepare
prepare()
from PIL import Image
from transformers import pipeline
classify = pipeline("image-classification", model=sys.argv[1])
print(json.dumps(classify(Image.new("RGB", (90, 70), (200, 30, 90)), top_k=1)))
"""


@pytest.mark.peers
def test_transformers_reads_it(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    torch.manual_seed(1)
    net = zoo.create_model("resnet18", num_classes=3, act_layer="silu")
    zoo.save_for_hub(net, tmp_path, label_names=["cat", "dog", "cow"], input_size=(96, 96))
    (best,) = json.loads(run(PIPELINE, tmp_path).splitlines()[-1])
    assert best["label"] in ("cat", "dog", "cow")


@pytest.mark.peers
def test_what_transformers_saves_is_read(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    net = zoo.create_model("densenet121", num_classes=3)
    zoo.save_for_hub(net, tmp_path / "ours", label_names=["cat", "dog", "cow"])
    run(TRANSFORMERS, tmp_path / "ours", tmp_path / "theirs")
    back = zoo.create_model(f"local-dir:{tmp_path}/theirs", pretrained=True)
    assert same(net, back)
    assert back.pretrained_cfg["label_names"] == ("cat", "dog", "cow")


def run(code: str, *arguments: Path) -> str:
    """Return the output of a program in a process that opens no socket."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_what_is_not_true_of_the_model_is_not_written(tmp_path: Path) -> None:
    net = zoo.create_model("resnet50.fb_ssl_yfcc100m_ft_in1k", num_classes=10)
    zoo.save_for_hub(net, tmp_path)
    written, card = (tmp_path / "config.json").read_text(), (tmp_path / "README.md").read_text()
    for claim in ("nc-", "arxiv", "ssl", "yfcc", "semi"):
        assert claim not in written.lower()
        assert claim not in card.lower()


def test_what_is_said_is_written(tmp_path: Path) -> None:
    net = zoo.create_model("test_resnet.digits", pretrained=True)
    zoo.save_for_hub(net, tmp_path, license="mit", metrics={"accuracy": 0.75}, description="Digits | by hand")
    config, card = json.loads((tmp_path / "config.json").read_text()), (tmp_path / "README.md").read_text()
    assert config["pretrained_cfg"]["license"] == "mit"
    assert config["metrics"] == {"accuracy": 0.75}
    assert config["label_names"] == [str(digit) for digit in range(10)]
    assert 'license: "mit"' in card
    assert "Digits \\| by hand" in card
    assert "the weights test_resnet.digits" in card
    (tmp_path / "README.md").write_text("my own words")
    zoo.save_for_hub(net, tmp_path)
    assert (tmp_path / "README.md").read_text() == "my own words"


@pytest.mark.parametrize(
    ("details", "message"),
    [
        ({"label_names": ["a"]}, "label_names are 1 different names, the model has 10 classes"),
        ({"label_names": ["a"] * 10}, "label_names are 1 different names"),
        ({"label_names": list("abcdefghij"), "label_descriptions": {"x": "?"}}, "describe 'x'"),
        ({"label_descriptions": {"x": "?"}}, "need label_names"),
        ({"licence": "mit"}, "has no option 'licence'"),
        ({"model_args": {"norm_layer": torch.nn.GroupNorm}}, "a config.json cannot hold"),
        ({"model_args": {"rate": float("nan")}}, "a config.json cannot hold"),
    ],
)
def test_details_that_do_not_fit_are_refused(details: dict, message: str, tmp_path: Path) -> None:
    net = zoo.create_model("test_resnet", num_classes=10)
    with pytest.raises(OptionError, match=message):
        zoo.save_for_hub(net, tmp_path / "new", **details)
    assert not (tmp_path / "new").exists()


def test_the_qualified_name_decides_between_two_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = zoo.create_model("test_resnet", num_classes=3)
    zoo.save_for_hub(net, tmp_path)
    monkeypatch.setattr(registry, "_local", LocalPlugin())  # forgotten after the test
    monkeypatch.setattr(registry, "_index", None)

    @zoo.register_model(name="test_resnet")
    def other(pretrained: bool = False, **options: object) -> torch.nn.Module:
        raise AssertionError("the other plugin's network was made")

    assert same(net, zoo.create_model(f"local-dir:{tmp_path}", pretrained=True))
    config = json.loads((tmp_path / "config.json").read_text())
    config["zoo"]["architecture"] = "zoo-elsewhere/test_resnet"
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(LookupError, match="zoo-resnet/test_resnet"):  # neither is preferred
        zoo.create_model(f"local-dir:{tmp_path}")


def test_a_folder_s_only_file_of_weights_is_read(tmp_path: Path) -> None:
    net = zoo.create_model("test_resnet", num_classes=3)
    zoo.save_for_hub(net, tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "epoch-12.safetensors")
    assert same(net, zoo.create_model(f"local-dir:{tmp_path}", pretrained=True))
    torch.save(net.state_dict(), tmp_path / "last.pth")
    with pytest.raises(WeightsError, match=r"several files of weights: epoch-12\.safetensors, last\.pth"):
        zoo.create_model(f"local-dir:{tmp_path}", pretrained=True)
    torch.save(net.state_dict(), tmp_path / "pytorch_model.bin")
    assert same(net, zoo.create_model(f"local-dir:{tmp_path}", pretrained=True))
    for path in tmp_path.glob("*.*"):
        path.unlink() if path.name != "config.json" else None
    with pytest.raises(WeightsError, match="holds no file of weights"):
        zoo.create_model(f"local-dir:{tmp_path}", pretrained=True)


def test_a_model_is_saved_over_the_file_that_it_was_loaded_from(tmp_path: Path) -> None:
    zoo.save_for_hub(zoo.create_model("test_resnet", num_classes=3), tmp_path)
    net = zoo.create_model(f"local-dir:{tmp_path}", pretrained=True, mmap=True)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    zoo.save_for_hub(net, tmp_path)
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())


options = st.fixed_dictionaries(
    {},
    optional={
        "act_layer": st.sampled_from(["relu", "silu", "gelu", "leaky_relu"]),
        "output_stride": st.sampled_from([8, 16, 32]),
        "num_classes": st.integers(0, 12),
        "in_chans": st.integers(1, 5),
        "global_pool": st.sampled_from(["avg", "max", "avgmax", "catavgmax"]),
        "drop_rate": st.sampled_from([0.0, 0.5]),
        "cardinality": st.sampled_from([1, 2]),
        "base_width": st.sampled_from([32, 64]),
        "stem_width": st.sampled_from([16, 32]),
        "stem_type": st.sampled_from(["", "deep"]),
        "avg_down": st.booleans(),
        "zero_init_last": st.booleans(),
    },
)


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(options)
def test_whatever_it_was_made_with_it_comes_back(tmp_path_factory: pytest.TempPathFactory, options: dict) -> None:
    try:
        net = zoo.create_model("test_resnet", **options)
    except (ValueError, TypeError, OptionError):
        return  # options that do not go together
    folder = tmp_path_factory.getbasetemp() / "saved"
    zoo.save_for_hub(net, folder)
    back = zoo.create_model(f"local-dir:{folder}", pretrained=True)
    assert same(net, back)
    channels = options.get("in_chans", 3)
    assert torch.equal(outputs(net, channels), outputs(back, channels))


def test_a_saved_model_is_described_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zoo.save_for_hub(zoo.create_model("test_resnet", num_classes=3), tmp_path / "plain")
    zoo.save_for_hub(zoo.create_model("test_resnet", in_chans=1), tmp_path / "changed")
    usual, (plain, changed) = (
        zoo.describe("test_resnet"),
        zoo.describe([f"local-dir:{tmp_path}/{which}" for which in ("plain", "changed")]),
    )
    assert plain.name == f"local-dir:{tmp_path}/plain"
    assert (plain.architecture, plain.num_classes, plain.has_weights) == ("test_resnet", 3, True)
    assert (plain.channels, plain.macs) == (usual.channels, usual.macs)
    assert plain.parameters is None  # another classifier than the architecture's
    assert (plain.tags, plain.results) == ((), ())
    assert main(["info", plain.name, "--build", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["on_disk"]
    assert told["network"]["parameters"] == sum(
        one.numel() for one in zoo.create_model("test_resnet", num_classes=3).parameters()
    )
    assert main(["compare", plain.name, changed.name]) == 0
    assert capsys.readouterr().out.count("local-dir:") == 4
