"""The contract of networks.

`contract` says what every network offers; `foreign` adapts a module that knows nothing of Zoo.
"""

from zoo_core.network.contract import Network

__all__ = ["Network"]
