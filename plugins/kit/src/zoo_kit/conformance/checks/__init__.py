"""The checks, by subject. Importing this package fills `CHECKS`, in the order of the imports.

`packaging` and `process` come first: they need no torch. Then `tables`, `construction`, `network`,
`features`, `weights` and `programs`.
"""

from zoo_kit.conformance.checks import packaging, process  # isort: skip - the order is that of the checks
from zoo_kit.conformance.checks import tables, construction, network, features, weights, programs  # isort: skip
from zoo_kit.conformance.check import CHECKS

__all__ = ["CHECKS", "construction", "features", "network", "packaging", "process", "programs", "tables", "weights"]
