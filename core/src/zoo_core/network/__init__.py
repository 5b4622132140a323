"""The contract of networks. Part of the plugin API.

- `contract`: what every network offers;
- `foreign`: adapts a module that knows nothing of Zoo, imported when it is used;
- `infer`: reads facts of a default config off a network;
- `meta`: runs a network for its shapes alone.
"""

from typing import Any

from zoo_core.features.prune import drop_child
from zoo_core.network.contract import Network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from zoo_core.network.foreign import ForeignNetwork, Plan

__all__ = ["ForeignNetwork", "Network", "Plan", "drop_child"]


def __getattr__(name: str) -> Any:
    """Import what only wrapped modules need when it is used."""
    if name not in ("ForeignNetwork", "Plan"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from zoo_core.network import foreign

    return getattr(foreign, name)
