"""The network: a stem, `stages` of residual `blocks`, a classifier."""

from collections import OrderedDict
from typing import Any, List, Tuple  # noqa: UP035 - TorchScript knows no others

import torch
from torch import Tensor, nn
from zoo_core import OptionError
from zoo_core.layers import ClassifierHead, ConvNormAct, create_aa, drop_path_rates
from zoo_core.network import Network

from zoo_cspnet.blocks import BottleneckBlock, DarkBlock, EdgeBlock
from zoo_cspnet.config import CspNetConfig
from zoo_cspnet.stages import Place, create_stage


class CspNet(Network):
    """A cross stage partial network (https://arxiv.org/abs/1911.11929) or a Darknet (https://arxiv.org/abs/1804.02767).

    Args:
        cfg: the architecture.
        num_classes: width of the logits; 0 for no classifier.
        in_chans: channels of the images.
        global_pool: "avg", "max", "avgmax", "catavgmax", or "" or "none", which keeps the map and
            needs 0 classes.
        output_stride: 32, or 16 or 8, which dilates the last stages instead of subsampling them.
        drop_rate: dropout of the pooled features, in 0..1.
        drop_path_rate: stochastic depth of the last block; it rises linearly from 0 at the first.
        zero_init_last: start every block as the identity.

    Raises:
        OptionError: for an option's value that is not one of these.
    """

    classifier_name = "head.fc"

    def __init__(
        self,
        cfg: CspNetConfig,
        *,
        num_classes: int = 1000,
        in_chans: int = 3,
        global_pool: str = "avg",
        output_stride: int = 32,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        zero_init_last: bool = True,
    ) -> None:
        super().__init__()
        if output_stride not in (8, 16, 32):
            raise OptionError(f"output_stride {output_stride}: 8, 16 or 32")
        self.num_classes = num_classes
        self.zero_init_last = zero_init_last
        self.stem = self._create_stem(cfg, in_chans)
        self.stages = self._create_stages(cfg, output_stride, drop_path_rate)
        self.num_features = self.feature_info[-1]["num_chs"]
        self.num_stages = len(self.feature_info)
        self.head = ClassifierHead(self.num_features, num_classes, global_pool, drop_rate)
        self.head_hidden_size = self.head.hidden_size
        self.init_layers()

    def _create_stem(self, cfg: CspNetConfig, in_chans: int) -> nn.Sequential:
        """Build the stem, and note its feature map, which lies before any pooling."""
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for index, (ins, outs) in enumerate(zip((in_chans, *cfg.stem_chs), cfg.stem_chs, strict=False)):
            layers[f"conv{index + 1}"] = ConvNormAct(
                ins,
                outs,
                cfg.stem_kernel_size,
                stride=1 if index else cfg.stem_stride,
                padding=None if index else cfg.stem_padding,
                act_layer=cfg.act_layer,
                norm_layer=cfg.norm_layer,
            )
        last, channels = next(reversed(layers)), cfg.stem_chs[-1]
        self.feature_info = [{"num_chs": channels, "reduction": cfg.stem_stride, "module": f"stem.{last}"}]
        if cfg.stem_pool:
            layers["pool"] = nn.MaxPool2d(3, stride=1 if cfg.aa_layer else 2, padding=1)
            if cfg.aa_layer:
                layers["aa"] = create_aa(cfg.aa_layer, channels, 2)
        self.stem_end = len(cfg.stem_chs) - 1
        return nn.Sequential(layers)

    def _create_stages(self, cfg: CspNetConfig, output_stride: int, drop_path_rate: float) -> nn.Sequential:
        """Build the stages, and note their feature maps."""
        rates = drop_path_rates(drop_path_rate, cfg.depth)
        channels, reduction, dilation = cfg.stem_chs[-1], cfg.stem_stride * (2 if cfg.stem_pool else 1), 1
        stages = []
        for index, (stage, drop_path) in enumerate(zip(cfg.stages(), rates, strict=True)):
            stride, first_dilation = stage.stride, dilation
            if reduction * stride > output_stride:
                # What the stride would have skipped is what a dilation steps over
                # (https://arxiv.org/abs/1511.07122).
                dilation *= stride
                stride = 1
            stages.append(create_stage(cfg, stage, Place(channels, stride, dilation, first_dilation, drop_path)))
            channels, reduction = stage.out_chs, reduction * stride
            self.feature_info.append({"num_chs": channels, "reduction": reduction, "module": f"stages.{index}"})
        return nn.Sequential(*stages)

    def forward_stages(self, x: Tensor, taps: List[int], last: int) -> Tuple[Tensor, List[Tensor]]:  # noqa: UP006
        """Walk the network once, see `Network.forward_stages`."""
        maps: List[Tensor] = []  # noqa: UP006
        if 0 in taps:
            for index, layer in enumerate(self.stem):
                x = layer(x)
                if index == self.stem_end:
                    maps.append(x)
        else:
            x = self.stem(x)
        if self.stages is not None:
            if len(taps) == 0 and last == self.num_stages:
                return self.stages(x), maps
            for index, stage in enumerate(self.stages):
                if index < last:
                    x = stage(x)
                    if index + 1 in taps:
                        maps.append(x)
        return x, maps

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Pool and classify: (batch, num_features, h, w) to (batch, num_classes)."""
        logits: Tensor = self.head(x, pre_logits)
        return logits

    @torch.jit.ignore
    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Return patterns that order parameters by depth: the stem, each block (coarse: stage).

        What comes before a stage's blocks goes with the first, the transitions after them with the
        last.
        """
        blocks = [
            (r"^stages\.(\d+)\.blocks\.(\d+)", None),
            (r"^stages\.(\d+)\..*transition", (99999,)),
            (r"^stages\.(\d+)", (0,)),
        ]
        return {"stem": r"^stem", "blocks": r"^stages\.(\d+)" if coarse else blocks}

    @torch.jit.ignore
    def init_layers(self) -> None:
        """Start layers as below, and every block as the identity unless told otherwise."""
        super().init_layers()
        if self.zero_init_last:
            for module in self.modules():
                if isinstance(module, BottleneckBlock | DarkBlock | EdgeBlock):
                    module.zero_init_last()

    @torch.jit.ignore
    def init_module(self, module: nn.Module) -> None:
        """Draw convolutions as He (https://arxiv.org/abs/1502.01852), the classifier small."""
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, mean=0.0, std=0.01)
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
