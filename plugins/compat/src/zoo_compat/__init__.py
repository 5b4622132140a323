"""Zoo under timm's names.

``import zoo_core.compat.timm as timm`` is the way in. `install` serves the same to libraries that
import timm themselves.

- `paths`: which module of timm is served by what; `facade`: the modules that serve it; `real`: an
  installed timm, for what Zoo does not have;
- `classes`: networks and blocks, which code for timm builds of timm's parts;
- `names`: timm's functions and classes, each a thin layer over Zoo's, by the module that has them;
  `attributes`: what timm's networks carry and its clients read;
- `migrate`: which uses of timm in a code base work, and how; `commands` and `hooks` make it
  ``zoo migrate``.
"""

from zoo_compat.facade import install, uninstall

__all__ = ["install", "uninstall"]
