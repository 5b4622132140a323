"""``import zoo_core.compat.timm as timm``: Zoo under timm's names."""

import sys

from zoo_core.errors import MissingExtraError

try:
    from zoo_compat.facade import facade
except ModuleNotFoundError as error:
    if error.name != "zoo_compat":
        raise
    raise MissingExtraError("zoo_core.compat.timm is in zoo-compat: pip install zoo-compat") from None

sys.modules[__name__] = facade("timm")
