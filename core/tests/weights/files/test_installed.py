"""Weights inside packages: mapped where an installer put them, copied where people edit them."""

from pathlib import Path

import pytest
import torch
from tiny import TinyNet
from zoo_core.building.build import build_model_with_cfg
from zoo_core.config import PretrainedCfg
from zoo_core.weights.files.installed import is_installed

INSIDE = "mapped_pkg/weights/net.pth"


@pytest.fixture
def weights_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "site" / INSIDE
    path.parent.mkdir(parents=True)
    torch.save(TinyNet().state_dict(), path)  # whose tensors lie aligned, so that all can be mapped
    monkeypatch.syspath_prepend(tmp_path / "site")
    return path


def changes_with_its_file(path: Path) -> bool:
    """Whether a model's tensors are views of the file: those change when somebody writes over it in
    place."""
    net = build_model_with_cfg(
        TinyNet, "net", True, pretrained_cfg=PretrainedCfg(url=f"package:{INSIDE}", num_classes=5)
    )
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with path.open("r+b") as file:
        size = path.stat().st_size
        file.seek(size // 4)
        file.write(b"\x3f" * (size - size // 4))
    return any(not torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


@pytest.mark.parametrize("distribution", ["mapped_pkg-1.0", "another_name-1.0"])
def test_a_file_that_an_installer_records_is_mapped(weights_file: Path, tmp_path: Path, distribution: str) -> None:
    info = tmp_path / "site" / f"{distribution}.dist-info"
    info.mkdir()
    (info / "RECORD").write_text(f"mapped_pkg/__init__.py,,\n{INSIDE},sha256=x,1\n{info.name}/RECORD,,\n")
    assert is_installed(weights_file, INSIDE)
    assert changes_with_its_file(weights_file)


@pytest.mark.parametrize("record", [None, "_editable_impl_mapped_pkg.pth,,\nmapped_pkg-1.0.dist-info/RECORD,,\n"])
def test_a_file_of_an_editable_package_is_copied(weights_file: Path, tmp_path: Path, record: str | None) -> None:
    """torch.save and editors write over it in place, which kills a process that has it mapped."""
    if record:
        info = tmp_path / "site" / "mapped_pkg-1.0.dist-info"
        info.mkdir()
        (info / "RECORD").write_text(record)
    assert not is_installed(weights_file, INSIDE)
    assert not changes_with_its_file(weights_file)


def test_a_plain_path_in_a_config_is_a_person_s_file_and_copied(weights_file: Path) -> None:
    cfg = PretrainedCfg(url=str(weights_file), num_classes=5)
    net = build_model_with_cfg(TinyNet, "net", True, pretrained_cfg=cfg)
    before = net.fc.weight.clone()
    weights_file.write_bytes(bytes(weights_file.stat().st_size))
    assert torch.equal(net.fc.weight, before)
