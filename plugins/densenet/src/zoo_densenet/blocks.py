"""The parts of a DenseNet: dense layer, dense block, transition."""

from collections import OrderedDict
from collections.abc import Callable
from typing import List  # noqa: UP035 - TorchScript knows no others

import torch
from torch import Tensor, nn
from zoo_core.layers import AaLayer, create_aa

from zoo_densenet.recompute import can_recompute, cat_norm_conv

NormAct = Callable[..., nn.Module]


class DenseLayer(nn.Module):
    """A 1x1 bottleneck and a 3x3 convolution of all maps so far, each after norm and activation.

    A list of (batch, channels_i, h, w) to (batch, growth_rate, h, w).

    With `grad_checkpointing` the concatenation and both activated norms, which are wide and cheap,
    are not kept for the backward pass but computed again (https://arxiv.org/abs/1707.06990); the
    convolutions, which are dear, are not.
    """

    def __init__(
        self, in_chs: int, growth_rate: int, bn_size: int, norm_act: NormAct, drop_rate: float, memory_efficient: bool
    ) -> None:
        super().__init__()
        mid_chs = bn_size * growth_rate
        self.norm1 = norm_act(in_chs)
        self.conv1 = nn.Conv2d(in_chs, mid_chs, kernel_size=1, bias=False)
        self.norm2 = norm_act(mid_chs)
        self.conv2 = nn.Conv2d(mid_chs, growth_rate, kernel_size=3, padding=1, bias=False)
        self.drop = nn.Dropout(drop_rate)
        self.grad_checkpointing = memory_efficient

    def forward(self, features: List[Tensor]) -> Tensor:  # noqa: UP006
        """All maps so far to the new one."""
        if not torch.jit.is_scripting():  # type: ignore[attr-defined]
            recompute = self.grad_checkpointing and can_recompute(features[0])
            if recompute:
                x = cat_norm_conv(self.norm1, self.conv1, features)
                return self.drop(cat_norm_conv(self.norm2, self.conv2, [x]))
        x = self.conv1(self.norm1(torch.cat(features, 1)))
        return self.drop(self.conv2(self.norm2(x)))


class DenseBlock(nn.Sequential):
    """Layers that each see the block's input and the output of every layer before.

    (batch, in_chs, h, w) to (batch, in_chs + layers * growth_rate, h, w).
    """

    def __init__(self, depth: int, in_chs: int, growth_rate: int, layer: Callable[[int], DenseLayer]) -> None:
        super().__init__(OrderedDict((f"denselayer{i + 1}", layer(in_chs + i * growth_rate)) for i in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        """Concatenate the input and every layer's output."""
        features = [x]
        for layer in self:
            features.append(layer(features))
        return torch.cat(features, 1)


def transition(in_chs: int, norm_act: NormAct, aa_layer: AaLayer) -> nn.Sequential:
    """Halve both: (batch, in_chs, h, w) to (batch, in_chs // 2, h // 2, w // 2)."""
    out_chs = in_chs // 2
    return nn.Sequential(
        OrderedDict(
            norm=norm_act(in_chs),
            conv=nn.Conv2d(in_chs, out_chs, kernel_size=1, bias=False),
            pool=nn.AvgPool2d(kernel_size=2, stride=2) if aa_layer is None else create_aa(aa_layer, out_chs, stride=2),
        )
    )
