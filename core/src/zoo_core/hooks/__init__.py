"""Hooks for other packages, through pluggy.

`specs` documents the hooks, `manager` finds and calls implementations. A package marks its
implementations with ``hookimpl``, and names their module in an entry point of the group
``zoo_core.hooks``.
"""

from __future__ import annotations

import pluggy

PROJECT = "zoo_core"
hookimpl = pluggy.HookimplMarker(PROJECT)
"""The decorator of a function that implements the hook of the same name."""
