"""The contract of networks.

`contract` says what every network offers; `foreign` adapts a module that knows nothing of Zoo;
`infer` reads facts of a default config off a network; `meta` runs a network for its shapes alone.
"""

from zoo_core.network.contract import Network

__all__ = ["Network"]
