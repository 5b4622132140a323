"""Zip and tar archives around one file of weights."""

import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from zoo_core.errors import WeightsError
from zoo_core.weights.loading.state_dict import read_state_dict

STATE = {"conv.weight": torch.arange(6.0).reshape(2, 3), "bn.num_batches_tracked": torch.tensor(3)}


@pytest.mark.parametrize("inner", ["net.pth", "net.safetensors"])
@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_archives_around_one_file(tmp_path: Path, inner: str, kind: str) -> None:
    state_dict = dict(sorted(STATE.items())) if inner.endswith("safetensors") else STATE
    if inner.endswith("safetensors"):
        save_file(state_dict, tmp_path / inner)
    else:
        torch.save(state_dict, tmp_path / inner)
    path = tmp_path / f"archive.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(tmp_path / inner, inner)
    else:
        with tarfile.open(path, "w:gz" if kind == "tar.gz" else "w") as archive:
            archive.add(tmp_path / inner, inner)
            archive.add(__file__, "README.py")
    loaded = read_state_dict(path)
    assert torch.equal(loaded["conv.weight"], STATE["conv.weight"])


def test_the_members_of_archives_are_held_to_the_same(tmp_path: Path) -> None:
    for name in ("net.zip", "net.tar.gz"):
        content = bytes(50_000_000)
        if name.endswith("zip"):
            with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("net.pth", content)
        else:
            header = b"net.pth".ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2
            header += b"%011o\0" % len(content) + b"0" * 11 + b"\0" + b" " * 8 + b"0" + bytes(100) + b"ustar\x0000"
            header = header.ljust(512, b"\0")
            header = header[:148] + b"%06o\0 " % sum(header) + header[156:]
            packer = zlib.compressobj(wbits=31)
            (tmp_path / name).write_bytes(packer.compress(header + content) + packer.flush())
        with pytest.raises(WeightsError, match="many times the memory"):
            read_state_dict(tmp_path / name)
