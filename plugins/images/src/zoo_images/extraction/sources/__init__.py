"""Sources of images: `files` (folders, lists), `tables` (Parquet, Arrow), `tars` (WebDataset).

`base` is what they have in common; `open_source` chooses one.
"""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.errors import OptionError

from zoo_images.extraction.sources.files import FileSource, files_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo_images.extraction.sources.base import Source


def open_source(source: str | Path | Sequence[str | Path], *, column: str | None = None) -> Source:
    """List the images of a source, in the order of their names.

    Args:
        source: a folder (searched through), a glob pattern, an image file, a ``.txt`` file with a
            path a line, a list of paths; a ``.parquet`` or ``.arrow`` file or a folder of them (a
            dataset that Hugging Face's ``datasets`` saved is one); a ``.tar`` file, or a glob
            pattern of such files.
        column: of a table, the column with the encoded images; by default the only one that can
            hold them.

    Raises:
        OptionError: for a source that does not exist or holds no image.
    """
    if not isinstance(source, str | Path):
        return FileSource([Path(path) for path in source])
    path = Path(source).expanduser()
    found = [path] if path.exists() else _matches(path)
    if not found:
        raise OptionError(f"there is no file, folder or match of {str(source)!r}")
    if found == [path] and path.is_dir():
        tables = sorted([*path.rglob("*.parquet"), *path.rglob("*.arrow")])
        if not tables:
            return files_in(path)
        found = tables
    suffixes = {each.suffix.lower() for each in found}
    if suffixes <= {".parquet", ".arrow"}:
        from zoo_images.extraction.sources.tables import TableSource

        return TableSource(found, column)
    if column is not None:
        raise OptionError(f"{str(source)!r} is no table: there is no column {column!r} to choose")
    if suffixes == {".tar"}:
        from zoo_images.extraction.sources.tars import TarSource

        return TarSource(found)
    if suffixes == {".txt"}:
        lines = [line for each in found for line in each.read_text(encoding="utf-8").splitlines()]
        return FileSource([Path(line).expanduser() for line in lines if line.strip()])
    return FileSource([each for each in found if not each.is_dir()])


def _matches(pattern: Path) -> list[Path]:
    # Not Path.glob, which matches relative patterns alone.
    return sorted(map(Path, glob.glob(str(pattern), recursive=True)))  # noqa: PTH207 - see above
