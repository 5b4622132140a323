"""``import zoo_core.compat.timm as timm``: Zoo under timm's names, which zoo-compat serves."""

import sys
from importlib import import_module

from zoo_core.errors import MissingExtraError

try:
    _facade = import_module("zoo_compat.facade")  # by name: core imports no plugin
except ModuleNotFoundError as error:
    if error.name != "zoo_compat":
        raise
    raise MissingExtraError("zoo_core.compat.timm is in zoo-compat: pip install zoo-compat") from None

sys.modules[__name__] = _facade.facade("timm")
