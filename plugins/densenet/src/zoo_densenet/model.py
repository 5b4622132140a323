"""The network: Densely Connected Convolutional Networks, https://arxiv.org/abs/1608.06993."""

import re
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any, List, Tuple  # noqa: UP035 - TorchScript knows no others

import torch
from torch import Tensor, nn
from zoo_core import OptionError
from zoo_core.layers import create_aa, create_classifier, get_norm_act_layer
from zoo_core.network import Network

from zoo_densenet.blocks import DenseBlock, DenseLayer, transition
from zoo_densenet.config import DenseNetConfig


class DenseNet(Network):
    """A densely connected network: a stem, dense blocks with transitions, a classifier.

    The final norm carries the last activation, so `forward_features` returns activated features.

    Args:
        cfg: the architecture.
        num_classes: width of the logits; 0 for no classifier.
        in_chans: channels of the images.
        global_pool: "avg", "max", "avgmax", "catavgmax", or "" or "none", which keeps the map and
            needs 0 classes.
        drop_rate: dropout of the pooled features, in 0..1.
        proj_drop_rate: dropout of each dense layer's output, in 0..1.
        memory_efficient: compute activations again in the backward pass instead of keeping them,
            see `zoo_densenet.blocks.DenseLayer`. `set_grad_checkpointing` switches the same thing.

    Raises:
        OptionError: for a stem, norm, activation or pooling that does not exist.
    """

    classifier_name = "classifier"
    final_norm = "features.norm5"  # which yields the last feature map

    def __init__(
        self,
        cfg: DenseNetConfig,
        *,
        num_classes: int = 1000,
        in_chans: int = 3,
        global_pool: str = "avg",
        drop_rate: float = 0.0,
        proj_drop_rate: float = 0.0,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.in_chans = in_chans
        norm_act = get_norm_act_layer(cfg.norm_layer, cfg.act_layer)
        layer = partial(
            DenseLayer,
            growth_rate=cfg.growth_rate,
            bn_size=cfg.bn_size,
            norm_act=norm_act,
            drop_rate=proj_drop_rate,
            memory_efficient=memory_efficient,
        )
        self.features = nn.Sequential(_stem(cfg, in_chans, norm_act))
        chs, reduction = 2 * cfg.growth_rate, 4
        maps = [(chs, 2, "norm2" if cfg.stem_type else "norm0")]
        for index, depth in enumerate(cfg.block_config, start=1):
            if index > 1:
                aa_layer = None if cfg.aa_stem_only else cfg.aa_layer
                self.features.add_module(f"transition{index - 1}", transition(chs, norm_act, aa_layer))
                chs, reduction = chs // 2, reduction * 2
            self.features.add_module(f"denseblock{index}", DenseBlock(depth, chs, cfg.growth_rate, layer))
            chs += depth * cfg.growth_rate
            maps.append((chs, reduction, f"denseblock{index}"))
        self.features.add_module("norm5", norm_act(chs))  # torchvision's name, however many blocks there are
        maps[-1] = (chs, reduction, "norm5")

        self.feature_info = [{"num_chs": c, "reduction": r, "module": f"features.{name}"} for c, r, name in maps]
        self.num_stages = len(maps)
        children = list(self.features._modules)
        self.stage_ends = [children.index(name) for _, _, name in maps]
        self.num_features = chs
        self.global_pool, classifier = create_classifier(chs, num_classes, global_pool)
        self.head_drop = nn.Dropout(drop_rate)
        self.classifier = classifier
        self.head_hidden_size = chs * self.global_pool.feat_mult()
        self.init_layers()

    def forward_stages(self, x: Tensor, taps: List[int], last: int) -> Tuple[Tensor, List[Tensor]]:  # noqa: UP006
        """Walk the network once. A map is a stem's or a block's output, before its pooling."""
        maps: List[Tensor] = []  # noqa: UP006
        if len(taps) == 0 and last == self.num_stages:
            return self.features(x), maps
        stage = 0
        for i, module in enumerate(self.features):
            if stage <= last:
                x = module(x)
                if stage < self.num_stages and i == self.stage_ends[stage]:
                    if stage in taps:
                        maps.append(x)
                    stage += 1
        return x, maps

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Pool the features and classify: (batch, num_features, h, w) to (batch, num_classes)."""
        x = self.head_drop(self.global_pool(x))
        return x if pre_logits else self.classifier(x)

    @torch.jit.ignore
    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Return patterns that order parameters by depth: the stem, each layer (coarse: block)."""
        layers = [(r"^features\.denseblock(\d+)\.denselayer(\d+)", None), (r"^features\.transition(\d+)", (99999,))]
        blocks = r"^features\.(?:denseblock|transition)(\d+)"
        return {"stem": r"^features\.(?:conv|norm|pool)[012]", "blocks": blocks if coarse else layers}

    @torch.jit.ignore
    def init_module(self, module: nn.Module) -> None:
        """Draw convolutions as He, by fan-in, and set the classifier's bias to zero."""
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)


def _stem(cfg: DenseNetConfig, in_chans: int, norm_act: Callable[..., nn.Module]) -> OrderedDict[str, nn.Module]:
    """Build the stem: images (batch, in_chans, h, w) to (batch, 2 * growth_rate, h / 4, w / 4)."""
    k, tier = cfg.growth_rate, cfg.growth_rate // 4
    inner = {
        "": (),
        "deep": (k, k),
        "deep_tiered": (3 * tier, 6 * tier),
        "deep_tiered_narrow": (3 * tier, 2 * k),
    }
    if cfg.stem_type not in inner:
        raise OptionError(f"unknown stem_type {cfg.stem_type!r}: expected one of {', '.join(map(repr, inner))}")
    widths = [*inner[cfg.stem_type], 2 * k]
    kernel = 3 if cfg.stem_type else 7
    stem: OrderedDict[str, nn.Module] = OrderedDict()
    for i, width in enumerate(widths):
        stride = 2 if i == 0 else 1
        stem[f"conv{i}"] = nn.Conv2d(in_chans, width, kernel, stride, padding=kernel // 2, bias=False)
        stem[f"norm{i}"] = norm_act(width)
        in_chans = width
    if cfg.aa_layer is None:
        stem["pool0"] = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
    else:
        pool = nn.MaxPool2d(kernel_size=3, stride=1, padding=1)
        stem["pool0"] = nn.Sequential(pool, create_aa(cfg.aa_layer, in_chans, stride=2))
    return stem


def filter_torchvision(state_dict: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Return a copy with present names for torchvision's old files.

    Those files say ``denselayer1.norm.1.weight`` and ``denselayer1.conv.1.weight`` for ``norm1``
    and ``conv1``.
    """
    del model  # the names say enough
    if not any(map(_OLD_NAME.search, state_dict)):
        return state_dict
    return {_OLD_NAME.sub(r"\1\2", name): tensor for name, tensor in state_dict.items()}


_OLD_NAME = re.compile(r"(?<=\.)(norm|conv)\.([12])(?=\.)")
