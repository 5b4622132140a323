"""Mapped zips of `torch.save`: what ``torch.load`` makes of them, or nothing; never a call that a file asks for."""

import collections
import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from zoo_core.errors import WeightsError
from zoo_core.weights.read import read_file, read_state_dict
from zoo_core.weights.torchfile import NotPlain, map_torchfile

DTYPES = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def assert_same(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        assert (one.dtype, one.shape, one.stride()) == (other.dtype, other.shape, other.stride())
        assert one.requires_grad == other.requires_grad
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            assert_same(*pair)
    else:
        assert one == other


CONTENTS: dict[str, Any] = {
    "dtypes": {str(dtype): torch.ones(3, 5).to(dtype) for dtype in DTYPES + FLOATS},
    "shapes": {"scalar": torch.tensor(3.0), "empty": torch.empty(0, 4), "one": torch.ones(1, 1, 7, 1)},
    "views": {
        "transposed": torch.arange(6.0).view(2, 3).t(),
        "slice": torch.arange(10.0)[3:7],
        "expanded": torch.arange(3.0).expand(4, 3),
        "channels last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    },
    "checkpoint": {
        "state_dict": collections.OrderedDict(weight=torch.ones(2)),
        "epoch": 3,
        "best": 0.5,
        "name": "net",
        "none": None,
        "list": [torch.zeros(1), [1, 2]],
    },
    "gradient": {"weight": torch.ones(2, requires_grad=True)},
    "module": nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).state_dict(),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_it_maps_what_torch_load_loads(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path / "net.pth", CONTENTS[name])
    assert_same(map_torchfile(path), torch.load(path, weights_only=True))


def test_the_versions_that_a_state_dict_notes_are_kept(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pth", CONTENTS["module"])
    assert map_torchfile(path)._metadata == CONTENTS["module"]._metadata


def test_tensors_that_shared_memory_share_it_and_the_file_stays_as_it_was(tmp_path: Path) -> None:
    base = torch.zeros(4)
    path = saved(tmp_path / "net.pth", {"all": base, "half": base[2:]})
    before = path.read_bytes()
    mapped = map_torchfile(path)
    mapped["half"] += 1
    assert mapped["all"].tolist() == [0, 0, 1, 1]
    assert path.read_bytes() == before
    assert map_torchfile(path)["all"].tolist() == [0, 0, 0, 0]


class Call:
    """Pickled as a call of `function`."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


def shared_lists(depth: int) -> list[Any]:
    """2 ** depth leaves in `depth` lists."""
    nested: list[Any] = []
    for _ in range(depth):
        nested = [nested, nested]
    return nested


@pytest.mark.parametrize(
    "content",
    [
        {"weight": Call(os.mkdir, "sprung")},
        {"weight": Call(eval, "__import__('os').mkdir('sprung')")},
        {"weight": Call(getattr, [], "append")},
        {"weight": torch.nn.Linear(2, 2)},
        {"weight": torch.ones(2), "when": (1, 2)},
        {"weight": torch.FloatStorage},
        {(1, 2): torch.ones(1)},
        torch.nn.Parameter(torch.ones(2)),
    ],
    ids=["mkdir", "eval", "getattr", "module", "tuple", "stand-in", "key", "parameter"],
)
def test_what_asks_for_more_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: Any) -> None:
    path = saved(tmp_path / "net.pth", content)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotPlain):
        map_torchfile(path)
    assert not (tmp_path / "sprung").exists()


def test_what_is_refused_unmapped_is_refused_mapped(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pth", {"weight": Call(os.mkdir, str(tmp_path / "sprung"))})
    with pytest.raises(WeightsError, match="is refused"):
        read_state_dict(path, mapped=True)
    assert not (tmp_path / "sprung").exists()


def test_lists_in_lists_are_walked_once_each(tmp_path: Path) -> None:
    assert len(map_torchfile(saved(tmp_path / "net.pth", shared_lists(60)))) == 2
    with pytest.raises(NotPlain):
        map_torchfile(saved(tmp_path / "net.pth", shared_lists(150)))


def rewritten(path: Path, change: Any) -> Path:
    """The archive with `change(name, bytes)` in place of each record's bytes, None for none."""
    with zipfile.ZipFile(path) as archive:
        records = [(name, change(name, archive.read(name))) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in records:
            if content is not None:
                archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "change",
    [
        lambda name, content: None if name.endswith("data/0") else content,
        lambda name, content: content[:-4] if name.endswith("data/0") else content,
        lambda name, content: b"big" if name.endswith("byteorder") else content,
        lambda name, content: content[:20] if name.endswith("data.pkl") else content,
    ],
    ids=["no storage", "short storage", "byte order", "short pickle"],
)
def test_a_damaged_archive_is_left_alone(tmp_path: Path, change: Any) -> None:
    path = rewritten(saved(tmp_path / "net.pth", {"weight": torch.ones(100)}), change)
    with pytest.raises(NotPlain):
        map_torchfile(path)


def test_a_tensor_beyond_its_storage_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save({"weight": torch.ones(4)}, path)

    def longer(name: str, content: bytes) -> bytes:
        # The size of the tensor, a pickled tuple of one number, and not that of its storage.
        return content.replace(b"K\x04\x85", b"K\x63\x85") if name.endswith("data.pkl") else content

    with pytest.raises(NotPlain):
        map_torchfile(rewritten(path, longer))


def test_a_compressed_archive_is_left_alone(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pth", {"weight": torch.ones(100)})
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in records.items():
            archive.writestr(name, content)
    with pytest.raises(NotPlain):
        map_torchfile(path)


@settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(data=st.data())
def test_a_changed_byte_never_gives_what_torch_load_does_not(tmp_path: Path, data: st.DataObject) -> None:
    """Of the archive's directory or its pickle: the same tensors, or none. Nothing crashes."""
    buffer = io.BytesIO()
    torch.save(collections.OrderedDict(a=torch.arange(4.0), b=torch.ones(2, 3)), buffer)
    content = bytearray(buffer.getvalue())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255))
    path = tmp_path / "net.pth"
    path.write_bytes(content)
    try:
        mine = map_torchfile(path)
    except NotPlain:
        return
    try:
        theirs = torch.load(path, weights_only=True, mmap=True)
    except pickle.UnpicklingError:
        raise  # torch would have refused what was read here
    except Exception:  # torch looks at records that nothing here depends on: its version, what is local to an entry
        return
    assert_same(mine, theirs)


def test_the_whole_of_a_checkpoint_is_read_mapped(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pth", CONTENTS["checkpoint"])
    assert read_file(path, mapped=True)["epoch"] == 3
    assert list(read_state_dict(path, mapped=True)) == ["weight"]
