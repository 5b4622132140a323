"""The separable convolution and the residual block of the original Xception."""

from itertools import pairwise
from typing import Tuple  # noqa: UP035 - TorchScript knows no other

from torch import Tensor, nn
from zoo_core.network import drop_child

from zoo_xception.feature_block import TappedBlock
from zoo_xception.separable import depthwise, pointwise


class SeparableConv(nn.Module):
    """The two convolutions alone: (batch, in_channels, h, w) to (batch, out_channels, h, w)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = depthwise(in_channels)
        self.pointwise = pointwise(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, h, w) to (batch, out_channels, h, w)."""
        out: Tensor = self.pointwise(self.conv1(x))
        return out


class Block(TappedBlock):
    """Separable convolutions in `rep`, each after a ReLU, and max pooling where there is a stride.

    The feature map is the first ReLU's output: it belongs to the blocks before, which end without
    an activation.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        reps: how many separable convolutions.
        stride: 2 for a block that subsamples.
        start_with_relu: whether a ReLU comes before the first convolution.
        grow_first: change the channels in the first convolution, otherwise in the last.
        tap: index of the feature map in this block; -1 for none.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        reps: int,
        stride: int = 1,
        *,
        start_with_relu: bool = True,
        grow_first: bool = True,
        tap: int = -1,
    ) -> None:
        super().__init__(stage=tap, tapped=tap >= 0)
        self.skip: nn.Module | None = None
        if out_channels != in_channels or stride != 1:
            self.skip = nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)
            self.skipbn = nn.BatchNorm2d(out_channels)
        middle = out_channels if grow_first else in_channels
        widths = [in_channels, *[middle] * (reps - 1), out_channels]
        rep: list[nn.Module] = []
        for ins, outs in pairwise(widths):
            # The block's input is needed again by its shortcut, so its ReLU must leave it alone.
            rep += [nn.ReLU(inplace=bool(rep)), SeparableConv(ins, outs), nn.BatchNorm2d(outs)]
        if stride != 1:
            rep.append(nn.MaxPool2d(3, stride, padding=1))
        self.rep = nn.Sequential(*rep if start_with_relu else rep[1:])

    def run(self, x: Tensor) -> Tensor:
        """See `TappedBlock.run`."""
        y = self.rep(x)
        return y if len(self.rep) == 1 else self._join(x, y)

    def run_tap(self, x: Tensor, stop: bool) -> Tuple[Tensor, Tensor]:  # noqa: UP006
        """See `TappedBlock.run_tap`."""
        tap = y = self.rep[0](x)
        if stop or len(self.rep) == 1:  # what comes after it is dropped
            return tap, tap
        for index, layer in enumerate(self.rep):
            if index > 0:
                y = layer(y)
        return self._join(x, y), tap

    def _join(self, x: Tensor, y: Tensor) -> Tensor:
        """Add the shortcut, which starts from `x`, and the residual `y`."""
        if self.skip is not None:
            x = self.skipbn(self.skip(x))
        return y + x

    def drop_past_tap(self) -> None:
        """See `TappedBlock.drop_past_tap`."""
        # Another container, because another network may share this one.
        self.rep = self.rep[:1]  # type: ignore[assignment] # a slice is an nn.Sequential
        drop_child(self, "skip")
        drop_child(self, "skipbn")
