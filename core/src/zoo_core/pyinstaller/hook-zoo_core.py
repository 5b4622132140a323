# ruff: noqa: N999 - PyInstaller looks for a hook under this name
"""What a frozen app needs of Zoo: its lazily imported modules, and every installed plugin, which nothing imports.

A plugin takes part in the app with its entry points (metadata), its manifest and weights (data), and its modules.
``ZOO_PLUGINS`` and ``ZOO_DISABLE_PLUGINS``, set while freezing, say which plugins go in.
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
