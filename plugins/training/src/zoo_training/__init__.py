"""Training on many devices, by PyTorch's own engines.

- `shards` reads weights into sharded networks, each process its part; `sharded` makes networks so;
- `checkpoint` saves and loads a training, on any count of processes;
- `classifier` spreads the classes of a classifier over processes.

Public names are imported when they are first used: importing this package imports no torch.
"""

from __future__ import annotations

TYPE_CHECKING: bool = False  # with an annotation jedi completes the names below
if TYPE_CHECKING:
    from zoo_training.checkpoint import load_checkpoint as load_checkpoint
    from zoo_training.checkpoint import save_checkpoint as save_checkpoint
    from zoo_training.classifier import shard_classifier as shard_classifier
    from zoo_training.sharded import create_sharded as create_sharded
    from zoo_training.shards import Reading as Reading
    from zoo_training.shards import load_shards as load_shards

_EXPORTS = {
    "create_sharded": "sharded",
    "load_shards": "shards",
    "Reading": "shards",
    "save_checkpoint": "checkpoint",
    "load_checkpoint": "checkpoint",
    "shard_classifier": "classifier",
}
__all__ = list(_EXPORTS)


def __getattr__(name: str) -> object:
    """Import a public name where it is defined (PEP 562)."""
    if (module := _EXPORTS.get(name)) is None:
        raise AttributeError(f"module 'zoo_training' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"zoo_training.{module}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_EXPORTS})
