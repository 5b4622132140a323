"""Sources of images: the same images from each give the same features."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from zoo_core.errors import OptionError
from zoo_images import extract
from zoo_images.extraction.shards import read_features
from zoo_images.extraction.sources import open_source

MODEL = "test_resnet.digits"


def files_of(photos: Path) -> list[Path]:
    return sorted(photos.rglob("*.jpg"), key=lambda path: path.relative_to(photos).as_posix())


def as_parquet(photos: Path, folder: Path) -> Path:
    values = [path.read_bytes() for path in files_of(photos)]
    table = pa.table({"label": list(range(len(values))), "image": values})
    for number in (0, 1):
        part = table.slice(number * 20, 20 if number == 0 else None)
        pq.write_table(part, folder / f"part-{number}.parquet", row_group_size=7)
    return folder


def as_dataset(photos: Path, folder: Path) -> Path:
    """As Hugging Face's ``datasets`` saves one: Arrow's stream format, structs of bytes and
    path."""
    values = [{"bytes": path.read_bytes(), "path": path.name} for path in files_of(photos)]
    table = pa.table({"image": values, "label": list(range(len(values)))})
    with (
        pa.OSFile(str(folder / "data-00000-of-00001.arrow"), "wb") as file,
        pa.ipc.new_stream(file, table.schema) as out,
    ):
        for batch in table.to_batches(max_chunksize=9):
            out.write_batch(batch)
    (folder / "state.json").write_text("{}")
    return folder


def as_tars(photos: Path, folder: Path) -> str:
    files = files_of(photos)
    for number, some in enumerate((files[:30], files[30:])):
        with tarfile.open(folder / f"shard-{number}.tar", "w") as archive:
            for path in some:
                archive.add(path, path.relative_to(photos).as_posix())
                label = tarfile.TarInfo(path.stem + ".cls")
                label.size = 1
                archive.addfile(label, io.BytesIO(b"3"))
    return str(folder / "*.tar")


def as_list(photos: Path, folder: Path) -> Path:
    path = folder / "photos.txt"
    path.write_text("\n".join(map(str, files_of(photos))) + "\n\n")
    return path


@pytest.mark.parametrize("make", [as_parquet, as_dataset, as_tars, as_list])
def test_the_same_images_give_the_same_features(photos: Path, tmp_path: Path, make) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    extract(photos, MODEL, tmp_path / "out", workers=0)
    extract(make(photos, folder), MODEL, tmp_path / "other", workers=1)
    (shard,), (other,) = read_features(tmp_path / "out"), read_features(tmp_path / "other")
    assert other.features["pooled"].equal(shard.features["pooled"])
    assert [reason is None for reason in other.reasons] == [reason is None for reason in shard.reasons]


def test_globs_and_single_files(photos: Path) -> None:
    assert len(open_source(str(photos / "*.jpg"))) == len(list(photos.glob("*.jpg")))
    assert len(open_source(str(photos / "**" / "*.jpg"))) == 50
    assert open_source(photos / "0001.jpg").names == [str(photos / "0001.jpg")]
    assert open_source([photos / "0002.jpg", photos / "0001.jpg"]).names[0].endswith("0002.jpg")


def test_a_folder_is_searched_for_images_alone(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / ".cache").mkdir()
    for name in ("a/ONE.JPG", "a/notes.txt", ".cache/two.jpg", ".hidden.jpg", "three.webp"):
        (tmp_path / name).write_bytes((photos / "0001.jpg").read_bytes())
    assert open_source(tmp_path).names == ["a/ONE.JPG", "three.webp"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nothing", "there is no file, folder or match of"),
        ("empty", "there are no images in"),
        ("broken.parquet", "cannot read the table"),
        ("broken.tar", "as an uncompressed tar"),
        ("numbers.parquet", "needs one column of encoded images; it has none"),
        ("two.parquet", "it has left, right: choose one with --column"),
    ],
)
def test_what_is_no_source_is_one_clear_error(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 nothing else")
    (tmp_path / "broken.tar").write_bytes(b"nothing of a tar" * 100)
    pq.write_table(pa.table({"x": [1, 2]}), tmp_path / "numbers.parquet")
    pq.write_table(pa.table({"left": [b"1"], "right": [b"2"]}), tmp_path / "two.parquet")
    with pytest.raises(OptionError, match=message):
        open_source(tmp_path / source)


def test_a_column_is_chosen_by_name(tmp_path: Path) -> None:
    pq.write_table(pa.table({"left": [b"1"], "right": [b"2"]}), tmp_path / "two.parquet")
    assert list(open_source(tmp_path / "two.parquet", column="right").read(0, 1)) == [b"2"]
    with pytest.raises(OptionError, match="Did you mean 'right'"):
        open_source(tmp_path / "two.parquet", column="rigth")


def test_a_source_that_changed_is_another_one(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    as_tars(photos, folder)
    before = open_source(folder / "shard-0.tar").fingerprint()
    (folder / "shard-1.tar").replace(folder / "shard-0.tar")
    assert open_source(folder / "shard-0.tar").fingerprint() != before
