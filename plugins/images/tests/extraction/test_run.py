"""Outputs: what is in them, and that interruptions leave no trace."""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import zoo_core
from zoo_core.errors import ImageError, MissingExtraError, OptionError, ZooError
from zoo_images import create_transform, extract, iterate, verify
from zoo_images.extraction.shards import read_features
from zoo_images.transform import open_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODEL = "test_resnet.digits"


def contents(output: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(output)): path.read_bytes() for path in output.rglob("*") if path.is_file()}


def test_rows_are_those_of_a_loop_written_by_hand(photos: Path, tmp_path: Path) -> None:
    summary = extract(photos, MODEL, tmp_path / "out", features=["pooled", "pre_logits", "map2", "map-1_whole"])
    assert (summary.images, summary.failed, summary.computed) == (50, 1, 50)
    table = pq.read_table(tmp_path / "out" / "features")
    paths = sorted(path.relative_to(photos).as_posix() for path in photos.rglob("*.jpg"))
    assert table["path"].to_pylist() == paths
    assert table["status"].to_pylist() == ["failed" if "letter" in path else "ok" for path in paths]

    net = zoo_core.create_model(MODEL, pretrained=True, num_classes=0).eval()
    maps = zoo_core.create_model(MODEL, pretrained=True, features_only=True).eval()
    transform = create_transform(net)
    for row in table.to_pylist():
        if row["status"] == "failed":
            assert row["pooled"] is row["map2"] is None
            continue
        images = transform(open_image(photos / row["path"]))[None]
        with torch.inference_mode():
            vector, pyramid = net(images)[0], maps(images)
        torch.testing.assert_close(torch.tensor(row["pooled"]), vector, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(torch.tensor(row["pre_logits"]), vector, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(torch.tensor(row["map2"]), pyramid[2][0].mean((1, 2)), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(torch.tensor(row["map4_whole"]), pyramid[4][0].flatten(), rtol=1e-4, atol=1e-5)


def test_failures_are_listed_with_their_reasons(photos: Path, tmp_path: Path) -> None:
    extract(photos, MODEL, tmp_path / "out")
    assert pq.read_table(tmp_path / "out" / "failures.parquet").to_pylist() == [
        {"path": "letter.jpg", "reason": "'letter.jpg' is not an image that Pillow can read"}
    ]


@pytest.mark.parametrize("kind", ["parquet", "safetensors", "npy"])
def test_every_format_holds_the_same(photos: Path, tmp_path: Path, kind: str) -> None:
    extract(photos, MODEL, tmp_path / "out", features=["pooled", "map1_whole"], format=kind, batch_size=16)
    extract(photos, MODEL, tmp_path / "other", features=["pooled", "map1_whole"], batch_size=16)
    (shard,), (other,) = read_features(tmp_path / "out"), read_features(tmp_path / "other")
    assert (shard.names, shard.reasons) == (other.names, other.reasons)
    assert all(torch.equal(shard.features[name], other.features[name]) for name in ("pooled", "map1_whole"))
    assert shard.features["map1_whole"].shape[1:] == other.features["map1_whole"].shape[1:]


def test_the_same_bytes_whatever_the_workers(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for workers in (0, 1, 3):
        extract(photos, MODEL, tmp_path / str(workers), batch_size=8, shard_size=8, workers=workers)
    assert contents(tmp_path / "0") == contents(tmp_path / "1") == contents(tmp_path / "3")
    assert len(list((tmp_path / "0" / "features").iterdir())) == 7


def test_a_finished_run_computes_nothing(photos: Path, tmp_path: Path) -> None:
    extract(photos, MODEL, tmp_path)
    before = contents(tmp_path)
    assert extract(photos, MODEL, tmp_path).computed == 0
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"model": "test_densenet.digits"}, "model"),
        ({"features": ["map1"]}, "features"),
        ({"batch_size": 7}, "batch_size"),
        ({"dtype": "bfloat16"}, "dtype"),
        ({"random": True}, "weights"),
        ({"input_size": (64, 64)}, "transform"),
        ({"format": "npy"}, "format"),
        ({"channels_last": False}, "channels_last"),
        ({"decoder": "draft"}, "decoder"),
    ],
)
def test_going_on_otherwise_is_refused(photos: Path, tmp_path: Path, options: dict, field: str) -> None:
    extract(photos, MODEL, tmp_path, workers=0)
    with pytest.raises(OptionError, match=rf"was begun otherwise: .*{field} was"):
        extract(photos, **{"model": MODEL, "output": tmp_path, "workers": 0, **options})


@pytest.mark.parametrize("decoder", ["pillow", "draft"])
def test_iterating_yields_what_extracting_writes(photos: Path, tmp_path: Path, decoder: str) -> None:
    wanted = {"features": ["pooled", "map2"], "batch_size": 16, "workers": 1, "decoder": decoder}
    extract(photos, MODEL, tmp_path, **wanted)
    (rows,) = read_features(tmp_path)
    before = sorted(photos.rglob("*"))
    batches = list(iterate(photos, MODEL, **wanted))
    assert [len(batch.names) for batch in batches] == [16, 16, 16, 2]
    assert [path for batch in batches for path in batch.paths] == rows.paths
    assert {**batches[0].failures, **batches[2].failures, **batches[3].failures} == rows.failures
    assert list(rows.failures) == ["letter.jpg"]
    for name, values in rows.features.items():
        assert torch.equal(torch.cat([batch.features[name] for batch in batches]), values)
        assert len(values) == len(rows.paths)
    assert sorted(photos.rglob("*")) == before


def test_mistakes_are_said_before_the_first_batch(photos: Path) -> None:
    for wanted, message in [
        ({"batch_size": 0}, "batch_size 0: at least 1"),
        ({"devise": "cpu"}, r"there is no option 'devise'. Did you mean 'device'"),
        ({"features": ["poled"]}, "Did you mean 'pooled'"),
    ]:
        with pytest.raises(ZooError, match=message):
            iterate(photos, MODEL, **wanted)


def test_optimising_without_its_package_names_it(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zoo_inference", None)
    with pytest.raises(MissingExtraError, match=r"'optimize' is in zoo-inference: pip install zoo-inference"):
        iterate(photos, MODEL, optimize=True)


def test_another_folder_of_images_is_another_source(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("0001.jpg", "0002.jpg"):
        (folder / name).write_bytes((photos / name).read_bytes())
    extract(folder, MODEL, tmp_path / "out", workers=0)
    (folder / "0002.jpg").unlink()
    with pytest.raises(OptionError, match="images was 2 and is 1; source was"):
        extract(folder, MODEL, tmp_path / "out", workers=0)


def test_a_folder_of_other_files_is_left_alone(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("\\begin{document}")
    with pytest.raises(OptionError, match="holds other files: choose a new folder"):
        extract(photos, MODEL, tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name != ".lock"] == ["thesis.tex"]


def test_strict_stops_at_the_first_failure(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"'letter\.jpg' is not an image"):
        extract(photos, MODEL, tmp_path, strict=True)


def test_retrying_reads_again_what_failed(tmp_path: Path, photos: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("0001.jpg", "0002.jpg", "0004.jpg"):
        (folder / name).write_bytes((photos / name).read_bytes())
    whole = extract(folder, MODEL, tmp_path / "whole", workers=0)
    data = (folder / "0002.jpg").read_bytes()
    (folder / "0002.jpg").write_bytes(bytes(len(data)))
    assert extract(folder, MODEL, tmp_path / "out", workers=0).failed == 1
    (folder / "0002.jpg").write_bytes(data)
    assert extract(folder, MODEL, tmp_path / "out", workers=0).computed == 0
    summary = extract(folder, MODEL, tmp_path / "out", workers=0, retry_failed=True)
    assert (summary.failed, summary.computed) == (0, whole.images)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


NURSERY = """
import os, sys
from zoo_images import extract
print("ready", flush=True)
for line in sys.stdin:
    photos, output = line.split()
    if not (child := os.fork()):
        extract(photos, "test_resnet.digits", output, batch_size=4, shard_size=4, workers=1)
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Nursery:
    """A process that has imported everything, and starts runs as children of its own: to kill many
    in little time."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", NURSERY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert self.line() == "ready"

    def line(self) -> str:
        return self.process.stdout.readline().strip()

    def run(self, photos: Path, output: Path, *, kill_after: float | None = None) -> int:
        """Run to the end, or kill after some seconds. Returns the exit code, below 0 for a
        signal."""
        self.process.stdin.write(f"{photos} {output}\n")
        self.process.stdin.flush()
        child = int(self.line())
        if kill_after is not None:
            time.sleep(kill_after)
            with contextlib.suppress(ProcessLookupError):  # it had ended: that is a moment too
                os.kill(child, signal.SIGKILL)
        return int(self.line())


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.process.communicate(timeout=60)  # its output ends when no worker of a killed run is left


def kill_and_resume(nursery: Nursery, photos: Path, folder: Path, *, runs: int, kills: int) -> None:
    """Kill runs at random moments, let each end, and compare it with one that was left alone."""
    began = time.monotonic()
    assert nursery.run(photos, folder / "whole") == 0
    longest = time.monotonic() - began
    moments = random.Random(0)
    for number in range(runs):
        codes: list[int] = []
        while -signal.SIGKILL not in codes:
            output = folder / f"{number}-{longest:.4f}"
            codes = [nursery.run(photos, output, kill_after=moments.uniform(0, longest)) for _ in range(kills)]
            longest *= 1.0 if codes[0] else 0.8  # the machine has become faster: it ended before its moment
        assert nursery.run(photos, output) == 0
        assert contents(output) == contents(folder / "whole")


def test_killed_runs_end_as_one_that_was_not(nursery: Nursery, photos: Path, tmp_path: Path) -> None:
    kill_and_resume(nursery, photos, tmp_path, runs=2, kills=4)


@pytest.mark.exhaustive
def test_a_hundred_kills_over_several_runs(nursery: Nursery, photos: Path, tmp_path: Path) -> None:
    kill_and_resume(nursery, photos, tmp_path, runs=20, kills=5)


PROGRAM = """
import sys
from zoo_images import extract
extract(sys.argv[1], "test_resnet.digits", sys.argv[2], batch_size=4, shard_size=4, workers=0)
"""


def test_a_full_disk_is_one_line_and_what_was_written_reads(photos: Path, tmp_path: Path) -> None:
    """The limit on the size of files stands for the disk: the shards fit, the last of another kind
    does not."""
    output = tmp_path / "out"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2500, 2500))

    command = [sys.executable, "-c", PROGRAM, str(photos)]
    done = subprocess.run([*command, str(output)], preexec_fn=limit, capture_output=True, text=True)
    assert done.returncode == 1
    assert "cannot write" in done.stderr.splitlines()[-1]
    assert "File too large; what was written before is whole" in done.stderr.splitlines()[-1]
    assert not list(output.rglob("*.unfinished"))
    for folder in (output, tmp_path / "whole"):
        subprocess.run([*command, str(folder)], check=True)
    assert contents(output) == contents(tmp_path / "whole")


@pytest.mark.skipif(sys.platform != "linux", reason="a folder that root cannot write either")
def test_a_folder_that_cannot_be_written_is_one_line(photos: Path) -> None:
    with pytest.raises(ZooError, match=r"^cannot write '/proc/features': [^\n]*$"):
        extract(photos, MODEL, "/proc/features", workers=0)


def test_two_runs_into_one_folder_are_refused(photos: Path, tmp_path: Path) -> None:
    from filelock import FileLock

    with FileLock(tmp_path / ".lock"), pytest.raises(ZooError, match="another process writes features"):
        extract(photos, MODEL, tmp_path, workers=0)


def test_verifying_finds_a_number_that_was_changed(photos: Path, tmp_path: Path) -> None:
    extract(photos, MODEL, tmp_path, format="npy", batch_size=16)
    result = verify(tmp_path, batches=99)
    assert (result.images, result.missing, result.differing) == (50, 0, ())
    (array,) = (tmp_path / "features").glob("*.npy")
    values = np.load(array)
    values[20, 3] = np.nextafter(values[20, 3], np.float32(9))
    np.save(array, values)
    good = [
        path
        for path in json.loads((tmp_path / "features/part-000000.json").read_text())["paths"]
        if "letter" not in path
    ]
    assert verify(tmp_path, batches=99).differing == (good[20],)


def test_verifying_another_model_is_refused(photos: Path, tmp_path: Path) -> None:
    extract(photos, MODEL, tmp_path, workers=0)
    path = tmp_path / "run.json"
    run = json.loads(path.read_text())
    run["settings"]["network"]["model"] = "test_densenet.digits"
    path.write_text(json.dumps(run))
    with pytest.raises(OptionError, match="was begun otherwise"):
        verify(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"settings": {}, "fingerprint": {}}', '{"settings": {"network": 3}, "fingerprint": 3}']
)
def test_a_file_of_another_make_is_one_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(OptionError, match=r"run\.json' is not as zoo extract writes it"):
        verify(tmp_path)
