"""What a file is by its first bytes."""

from pathlib import Path

import pytest
from zoo_core.errors import WeightsError
from zoo_core.weights.loading.state_dict import read_state_dict


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html><html>Not found</html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"", "is empty"),
        (b"some text", "no file of weights"),
    ],
)
def test_what_is_no_weights_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "net.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=rf"^[^\n]*net\.pth [^\n]*{message}[^\n]*$"):
        read_state_dict(tmp_path / "net.pth")
