"""What other packages can take part in, by pluggy: implement a function of `zoo_core.hooks.specs` marked `hookimpl`.

A package offers its implementations as an entry point of the group ``zoo_core.hooks`` that names a module.
"""

from __future__ import annotations

import pluggy

PROJECT = "zoo_core"
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function as an implementation of the hook of that name."""
