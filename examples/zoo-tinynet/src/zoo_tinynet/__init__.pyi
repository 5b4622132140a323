# Written by `zoo manifest`, for editors and type checkers. Do not edit.

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack

import torch
from torch import nn
from zoo_core import Family
from zoo_core.config import PretrainedCfg

FAMILY: Family
__version__: str

class _Options(TypedDict, total=False):
    num_classes: int
    in_chans: int
    global_pool: str
    drop_rate: float
    width: int
    depths: tuple[int, ...]
    expansion: int
    dilation: int
    act_layer: str
    pretrained_cfg: PretrainedCfg | Mapping[str, Any] | None
    pretrained_cfg_overlay: Mapping[str, Any] | None
    features_only: bool
    out_indices: int | Sequence[int] | None
    feature_cls: str | type[nn.Module] | None
    output_fmt: str | None
    state_dict_names: str | None
    cache_dir: str | os.PathLike[str] | None
    mmap: bool | None
    device: torch.device | str | None
    dtype: torch.dtype | str | None

def tinynet_8(pretrained: bool = False, **options: Unpack[_Options]) -> nn.Module: ...
def tinynet_16(pretrained: bool = False, **options: Unpack[_Options]) -> nn.Module: ...
