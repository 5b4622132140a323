"""Networks around another class's modules."""

from typing import List, Tuple  # noqa: UP035 - as networks write it

import torch
from torch import Tensor, nn
from zoo_core.network.foreign import ForeignNetwork, Plan


class Sharing(nn.Module):
    """One activation stands wherever one is needed."""

    def __init__(self) -> None:
        super().__init__()
        self.act = nn.LeakyReLU(0.5)
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.again = self.act
        self.body = nn.Sequential(nn.Conv2d(4, 4, 1), self.act, nn.Conv2d(4, 4, 1), self.act, nn.Conv2d(4, 4, 1))
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.body(self.again(self.conv(x))).mean((2, 3)))


class Wrapped(ForeignNetwork):
    plan = Plan(
        image_size=(16, 16),
        first_conv="conv",
        classifier="fc",
        maps=("again", "body"),
        parts=(("conv", "again"), ("body",), (), ("fc",)),
    )

    def forward_stages(self, x: Tensor, taps: List[int], last: int) -> Tuple[Tensor, List[Tensor]]:  # noqa: UP006
        maps = [self.again(self.conv(x))]
        maps.append(self.body(maps[0]))
        return maps[-1], [maps[tap] for tap in taps]

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = x.mean((2, 3))
        return x if pre_logits else self.fc(x)


def test_a_module_that_stands_in_many_places_runs_in_each():
    other = Sharing()
    net = Wrapped(None, lambda: other, num_classes=2, in_chans=3)
    x = torch.randn(2, 3, 16, 16)
    assert torch.equal(net(x), other(x))
    assert len(net.body) == 5
