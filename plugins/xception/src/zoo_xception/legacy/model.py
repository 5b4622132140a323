"""Xception as first published. Its block is in `zoo_xception.legacy.blocks`."""

from typing import Any, List, Tuple  # noqa: UP035 - TorchScript knows no others

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn
from zoo_core.layers import check_rate, create_classifier
from zoo_core.network import Network

from zoo_xception.legacy.blocks import Block, SeparableConv
from zoo_xception.legacy.config import XceptionConfig


class Xception(Network):
    """Xception (https://arxiv.org/abs/1610.02357): entry, middle and exit flow, a classifier.

    The first two convolutions have no padding: images of 299 pixels become maps of 149, then 147.

    Args:
        cfg: the architecture.
        num_classes: width of the logits; 0 for no classifier.
        in_chans: channels of the images.
        global_pool: "avg", "max", "avgmax", "catavgmax", or "" or "none", which keeps the map and
            needs 0 classes.
        drop_rate: dropout of the pooled features, in 0..1.

    Raises:
        OptionError: for an option's value that is not one of these.
    """

    classifier_name = "fc"

    def __init__(
        self,
        cfg: XceptionConfig,
        *,
        num_classes: int = 1000,
        in_chans: int = 3,
        global_pool: str = "avg",
        drop_rate: float = 0.0,
    ) -> None:
        super().__init__()
        check_rate("drop_rate", drop_rate)
        self.num_classes = num_classes
        self.drop_rate = drop_rate
        self.conv1 = nn.Conv2d(in_chans, 32, 3, stride=2, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.act1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(32, 64, 3, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.act2 = nn.ReLU(inplace=True)
        self.block1 = Block(64, 128, reps=2, stride=2, start_with_relu=False)
        self.block2 = Block(128, 256, reps=2, stride=2, tap=1)
        self.block3 = Block(256, 728, reps=2, stride=2, tap=2)
        self.block4 = Block(728, 728, reps=3)
        self.block5 = Block(728, 728, reps=3)
        self.block6 = Block(728, 728, reps=3)
        self.block7 = Block(728, 728, reps=3)
        self.block8 = Block(728, 728, reps=3)
        self.block9 = Block(728, 728, reps=3)
        self.block10 = Block(728, 728, reps=3)
        self.block11 = Block(728, 728, reps=3)
        self.block12 = Block(728, 1024, reps=2, stride=2, grow_first=False, tap=3)
        self.conv3 = SeparableConv(1024, 1536)
        self.bn3 = nn.BatchNorm2d(1536)
        self.act3 = nn.ReLU(inplace=True)
        self.conv4 = SeparableConv(1536, 2048)
        self.bn4 = nn.BatchNorm2d(2048)
        self.act4 = nn.ReLU(inplace=True)

        modules = {"act2": 64, "block2.rep.0": 128, "block3.rep.0": 256, "block12.rep.0": 728, "act4": 2048}
        self.feature_info = [
            {"num_chs": channels, "reduction": 2 ** (index + 1), "module": module}
            for index, (module, channels) in enumerate(modules.items())
        ]
        self.num_stages = len(self.feature_info)
        self.num_features = 2048
        self.global_pool, self.fc = create_classifier(self.num_features, num_classes, global_pool)
        self.head_hidden_size = self.num_features * self.global_pool.feat_mult()
        self.init_layers()

    def forward_stages(self, x: Tensor, taps: List[int], last: int) -> Tuple[Tensor, List[Tensor]]:  # noqa: UP006
        """Walk the network once, see `Network.forward_stages`."""
        maps: List[Tensor] = []  # noqa: UP006
        # Entry flow
        x = self.act1(self.bn1(self.conv1(x)))
        x = self.act2(self.bn2(self.conv2(x)))
        if 0 in taps:
            maps.append(x)
        if self.block2 is not None and last >= 1:
            x = self.block1(x)
            x = self.block2.walk(x, taps, last, maps)
        if self.block3 is not None and last >= 2:
            x = self.block3.walk(x, taps, last, maps)
        if self.block12 is not None and last >= 3:
            # Middle flow
            x = self.block7(self.block6(self.block5(self.block4(x))))
            x = self.block11(self.block10(self.block9(self.block8(x))))
            # Exit flow
            x = self.block12.walk(x, taps, last, maps)
        if self.act4 is not None and last >= 4:
            x = self.act3(self.bn3(self.conv3(x)))
            x = self.act4(self.bn4(self.conv4(x)))
            if 4 in taps:
                maps.append(x)
        return x, maps

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Pool and classify: (batch, num_features, h, w) to (batch, num_classes)."""
        x = self.global_pool(x)
        if self.drop_rate > 0.0:
            x = F.dropout(x, p=self.drop_rate, training=self.training)
        return x if pre_logits else self.fc(x)

    @torch.jit.ignore
    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Return patterns that order parameters by depth: the stem, each block, the rest."""
        return {"stem": r"^(?:conv|bn)[12]\.", "blocks": [(r"^block(\d+)", None), (r"^(?:conv|bn)[34]\.", (99,))]}

    @torch.jit.ignore
    def prune_stages(self, last: int) -> None:
        """See `Network.prune_stages`; a block with the last map keeps the part before it."""
        super().prune_stages(last)
        block = getattr(self, self.feature_info[last]["module"].split(".")[0])
        if isinstance(block, Block):
            block.drop_past_tap()

    @torch.jit.ignore
    def init_module(self, module: nn.Module) -> None:
        """Draw convolutions as He (https://arxiv.org/abs/1502.01852)."""
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
