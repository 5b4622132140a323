# ruff: noqa: N999 - PyInstaller looks for a hook under this name
"""The parts of Zoo for a frozen app: lazily imported modules, and every installed plugin.

No import leads to a plugin: its metadata (entry points), data (manifest, weights) and modules are
collected. ``ZOO_PLUGINS`` and ``ZOO_DISABLE_PLUGINS``, set while freezing, select plugins.
"""

from __future__ import annotations

from PyInstaller.utils.hooks import (  # type: ignore[import-untyped]
    collect_data_files,
    collect_submodules,
    copy_metadata,
)

from zoo_core.discovery.index import build_index

index = build_index()
entries = [*(plugin.entry_point for plugin in index.plugins), *index.hooks]
packages = {"zoo_core", *(entry.module.partition(".")[0] for entry in entries)}

datas = [item for package in sorted(packages) for item in collect_data_files(package)]
datas += [
    item for name in sorted({"zoo-core", *(entry.distribution for entry in entries)}) for item in copy_metadata(name)
]
hiddenimports = [
    module
    for package in sorted(packages)
    for module in collect_submodules(package, filter=lambda name: not name.startswith("zoo_core.pyinstaller"))
]
