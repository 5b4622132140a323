"""The checks, by subject. Importing this package fills `zoo_kit.conformance.check.CHECKS`, in their order."""

from zoo_kit.conformance.checks import packaging, process  # isort: skip - cheap ones first: they need no torch
from zoo_kit.conformance.checks import tables, construction, network, features, weights, programs  # isort: skip

__all__ = ["construction", "features", "network", "packaging", "process", "programs", "tables", "weights"]
