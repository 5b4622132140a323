"""``zoo new``: mistakes are one line, and leave nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from zoo_core.cli.main import main

NETS = Path(__file__).parents[1] / "scaffold/nets.py"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["2fast"], "'2fast' cannot name a plugin: it begins with a digit"),
        (["a b"], "'a b' cannot name a plugin: ' ' is neither"),
        (["core"], "'core' cannot name a plugin: zoo-core is Zoo itself"),
        (["class"], "'class' cannot name a plugin: it is a word of Python"),
        (["_"], "'_' cannot name a plugin: it has no letter"),
        (["a" * 101], "it has more than 100 characters"),
        (["resnet"], "zoo-resnet is a plugin of others: choose another name, such as 'my-resnet'"),
        (["acme", "--license", "MTI"], "--license 'MTI' is no SPDX identifier"),
        (["acme", "--url", "github.com/acme"], "expected an address that begins with https://"),
        (["acme", "--from", ""], "--from '': expected FILE.py:Class"),
        (["acme", "--from", "nowhere.nets:Net"], "No module named 'nowhere'"),
        (["acme", "--architecture", "acme-s"], "'acme-s' cannot name an architecture"),
        (["acme", "--architecture", "model"], "cannot be named 'model'"),
        (["acme", "--input-size", "32"], "--input-size belongs to --from"),
        (["acme", "--from", "nets/Digits"], "expected FILE.py:Class"),
        (["acme", "--from", "nowhere.py:Net"], "there is no file nowhere.py"),
        (["acme", "--from", f"{NETS}:Stage"], "has no torch.nn.Module 'Stage'. Did you mean 'Stages'"),
        (["acme", "--from", f"{NETS}:Needy"], "Needy needs its argument 'width'"),
        (["acme", "--from", f"{NETS}:Dense"], "Dense has no convolution"),
        (["acme", "--from", f"{NETS}:Branching"], "torch.fx cannot follow the forward of Branching"),
        (["acme", "--from", f"{NETS}:Digits", "--input-size", "64"], "takes no images of 1 channels and 64x64 pixels"),
    ],
    ids=str,
)
def test_mistakes(arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", *arguments, "--directory", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
