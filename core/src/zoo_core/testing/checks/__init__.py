"""The checks, by subject. Importing this package fills `zoo_core.testing.check.CHECKS`, in the order of their run."""

from zoo_core.testing.checks import packaging, process  # isort: skip - cheap ones first: they need no torch
from zoo_core.testing.checks import tables, construction, network, features, weights, programs  # isort: skip

__all__ = ["construction", "features", "network", "packaging", "process", "programs", "tables", "weights"]
