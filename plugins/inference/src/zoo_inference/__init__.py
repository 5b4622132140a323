"""The fastest way to run a model, found and proven, and how fast that is.

`search` tries the `engines` and returns an `optimized` module with its `report`; `check` compares
outputs, `measure` takes times in turns, `machine` says what they hold for, and `refused` is how an
engine declines. `graph` has the passes over a network's operations. `saving` keeps an optimised
model in a file. `benchmark` measures models, `cost` counts their operations and `plot` draws the
result. `hooks` adds the `commands` to ``zoo`` and the option ``optimize`` to `create_model`;
`examples` are the inputs then. Public names are imported when they are first used: importing this
package imports no torch.
"""

from __future__ import annotations

TYPE_CHECKING: bool = False  # with an annotation jedi completes the names below
if TYPE_CHECKING:
    from zoo_inference.benchmark import Measurement as Measurement
    from zoo_inference.benchmark import bench as bench
    from zoo_inference.cost import Cost as Cost
    from zoo_inference.cost import cost_of as cost_of
    from zoo_inference.machine import fingerprint as fingerprint
    from zoo_inference.optimized import Optimized as Optimized
    from zoo_inference.report import Report as Report
    from zoo_inference.saving import load as load
    from zoo_inference.saving import save as save
    from zoo_inference.search import optimize as optimize
    from zoo_inference.search import with_engine as with_engine

_EXPORTS = {
    "optimize": "search",
    "with_engine": "search",
    "Optimized": "optimized",
    "Report": "report",
    "save": "saving",
    "load": "saving",
    "bench": "benchmark",
    "Measurement": "benchmark",
    "cost_of": "cost",
    "Cost": "cost",
    "fingerprint": "machine",
}
__all__ = list(_EXPORTS)


def __getattr__(name: str) -> object:
    """Import a public name where it is defined (PEP 562)."""
    if (module := _EXPORTS.get(name)) is None:
        raise AttributeError(f"module 'zoo_inference' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"zoo_inference.{module}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_EXPORTS})
