"""The published weights."""

from __future__ import annotations

from zoo_core.config import PretrainedCfg

PRETRAINED: dict[str, PretrainedCfg] = {
    "tinyvit_48": PretrainedCfg(input_size=(3, 32, 32)),
    "tinyvit_96": PretrainedCfg(input_size=(3, 64, 64)),
}
