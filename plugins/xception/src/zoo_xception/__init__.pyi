# ruff: noqa: PT028 - an architecture whose name starts with test_ is no test
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
    output_stride: int
    drop_rate: float
    drop_path_rate: float
    stem: tuple[int, int]
    entry: tuple[tuple[int, int], ...]
    middle: int
    exit: tuple[tuple[int, int, int], tuple[int, int, int]]
    preact: bool
    act_layer: Any
    norm_layer: Any
    norm_eps: float | None
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

def xception41(pretrained: bool = False, **options: Unpack[_Options]) -> nn.Module: ...
def xception41p(pretrained: bool = False, **options: Unpack[_Options]) -> nn.Module: ...
def xception65(pretrained: bool = False, **options: Unpack[_Options]) -> nn.Module: ...
def xception65p(pretrained: bool = False, **options: Unpack[_Options]) -> nn.Module: ...
def xception71(pretrained: bool = False, **options: Unpack[_Options]) -> nn.Module: ...
def test_xception(pretrained: bool = False, **options: Unpack[_Options]) -> nn.Module: ...
