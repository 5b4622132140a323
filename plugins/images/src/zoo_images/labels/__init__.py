"""Names of ImageNet's classes.

``synsets.tsv`` has a WordNet id and its lemmas a line (WordNet 3.0, Princeton University); the
other files list the classes of one ImageNet each, in the order of the logits, as numbers of lines
of it, or ranges of them.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from zoo_core.config import PretrainedCfg

_SETS = {1000: "imagenet-1k", 11_821: "imagenet-12k", 21_841: "imagenet-22k", 21_843: "imagenet-21k-goog"}
_IMAGENET = re.compile(r"(?:^|_)(?:in|imagenet)\d+k(?:_|$)", re.IGNORECASE)
"""Tags such as ``a1_in1k`` and ``imagenet1k_v2``. Others may have 1,000 classes of their own."""


class Label(NamedTuple):
    """A class."""

    name: str
    synset: str | None = None
    """Its WordNet id; None where the classes are no synsets."""


def label_of(cfg: PretrainedCfg, index: int) -> Label:
    """Return a class's name: the config's, else ImageNet's if the tag says so, else its number."""
    names = cfg.label_names or ()
    if index < len(names):
        name = names[index]
        return Label((cfg.label_descriptions or {}).get(name, name))
    if not names and cfg.num_classes in _SETS and _IMAGENET.search(cfg.tag or ""):
        return imagenet_labels(_SETS[cfg.num_classes])[index]
    return Label(f"class {index}")


@cache
def imagenet_labels(name: str) -> tuple[Label, ...]:
    """Return the classes of ``imagenet-1k``, ``-12k``, ``-22k`` or ``-21k-goog``, in order."""
    labels = []
    for line in _lines(f"{name}.txt"):
        first, _, last = line.partition("-")
        labels += [_synset(number) for number in range(int(first), int(last or first) + 1)]
    return tuple(labels)


def _synset(number: int) -> Label:
    synset, _, lemmas = _lines("synsets.tsv")[number].partition("\t")
    return Label(lemmas.partition(",")[0] or synset, synset)


@cache
def _lines(file: str) -> list[str]:
    return (files(__name__) / file).read_text(encoding="utf-8").splitlines()
