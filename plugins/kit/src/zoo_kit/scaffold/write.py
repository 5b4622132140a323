"""The folder of a new plugin, manifest included."""

from __future__ import annotations

import importlib
import shutil
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import zoo_core
from zoo_core.errors import OptionError, PluginError

from zoo_kit.manifest.write import write_manifest
from zoo_kit.scaffold.render import render

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from zoo_kit.scaffold.names import Names


def values_of(names: Names, *, licence: str, url: str = "") -> dict[str, str]:
    """Return the values of the templates' placeholders, for a plugin with the example network.

    Args:
        names: see `names_of`.
        licence: an SPDX expression.
        url: the address of the repository; empty for none.
    """
    rows = [f'    "{name}": {names.network}Config({_depths(index)}),' for index, name in enumerate(names.architectures)]
    return {
        "distribution": names.distribution,
        "package": names.package,
        "family": names.family,
        "network": names.network,
        "architecture": names.architectures[0],
        "summary": f"The {names.network} family of image models for Zoo.",
        "license": licence,
        "core": ".".join(zoo_core.__version__.split(".")[:2]),
        "rows": "\n".join(rows),
        "cfg": "input_size=(3, 224, 224)",
        "channels": "3",
        "height": "224",
        "width": "224",
        "ruff_exclude": "",
        "mypy_overrides": "",
        "requirements": "",
        "urls": f'[project.urls]\nRepository = "{url}"\n\n' if url else "",
    }


def _depths(index: int) -> str:
    return f"depths=({', '.join([str(index + 1)] * 3)})" if index else ""


def write_plugin(
    folder: Path, names: Names, values: Mapping[str, str], replaced: Mapping[str, str] | None = None
) -> list[Path]:
    """Write every file, then the manifest, as ``zoo manifest`` does.

    Args:
        folder: the folder of the plugin, which must not exist.
        names: see `names_of`.
        values: see `values_of`.
        replaced: see `render`.

    Returns:
        The files, in the order of their names.

    Raises:
        OptionError: if the folder exists.
        PluginError: if the plugin cannot be imported.
    """
    if folder.exists():
        raise OptionError(f"{folder} exists already: choose another name, or another --directory")
    try:
        for path, text in render(values, replaced).items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.strip("\n").rstrip() + "\n" if text.strip() else "", encoding="utf-8")
        with importable(folder / "src", names.package):
            write_manifest(names.package)
    except BaseException:
        shutil.rmtree(folder)  # written above: a plugin that does not work is not left behind
        raise
    return sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


@contextmanager
def importable(folder: Path, package: str) -> Iterator[None]:
    """Import `package` from `folder`, even if another is installed, and forget it afterwards."""
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == package}
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    except PluginError:
        raise
    except Exception as error:
        raise PluginError(f"the new plugin {package} does not work: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(folder))
        sys.dont_write_bytecode = writes
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]
        sys.modules.update(hidden)
