"""The residual block of the aligned Xception."""

from collections import OrderedDict
from typing import Tuple  # noqa: UP035 - TorchScript knows no other

from torch import Tensor, nn
from zoo_core.layers import DropPath, create_act
from zoo_core.network import drop_child

from zoo_xception.feature_block import TappedBlock
from zoo_xception.separable import PreSeparableConv, SeparableConv, Style


class AlignedBlock(TappedBlock):
    """Three separable convolutions in `stack`, the last with the stride.

    Norms and activations come in three arrangements: an activation before each convolution and
    norms within; with `preact` norm and activation before each; without `skip` or `preact` norm and
    activation after each half of each. The feature map is what the last convolution, its norm and
    activation included in case of `preact`, starts from.

    Args:
        in_channels: of the input.
        widths: channels that each convolution yields.
        style: norms and activation.
        preact: see above.
        stride: of the last convolution.
        dilation: of every convolution.
        skip: whether the block is residual.
        drop_path: probability in 0..1 to drop the residual branch.
        stage: see `TappedBlock`.
        tapped: see `TappedBlock`.
    """

    def __init__(
        self,
        in_channels: int,
        widths: tuple[int, int, int],
        style: Style,
        *,
        preact: bool,
        stride: int = 1,
        dilation: int = 1,
        skip: bool = True,
        drop_path: float = 0.0,
        stage: int,
        tapped: bool,
    ) -> None:
        super().__init__(stage, tapped)
        out_channels = widths[-1]
        self.skip = skip
        self.shortcut: nn.Module | None = None
        if skip and (out_channels != in_channels or stride != 1):
            conv = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
            # The class of the other norms, so that tools that count by class count as in timm.
            named = OrderedDict(conv=conv, bn=style.norm_act(out_channels, apply_act=False))
            self.shortcut = conv if preact else nn.Sequential(named)
        self.norm = style.norm_act(in_channels) if preact else nn.Identity()
        self.stack = nn.Sequential()
        for index, (ins, outs) in enumerate(zip((in_channels, *widths), widths, strict=False), start=1):
            if skip and not preact:
                # The block's input is needed again by its shortcut, so the first must leave it
                # alone.
                self.stack.add_module(f"act{index}", create_act(style.act_layer, inplace=index > 1))
            shape = {"stride": stride if index == 3 else 1, "dilation": dilation}
            conv3x3 = (
                PreSeparableConv(ins, outs, style, first=index == 1, **shape)
                if preact
                else SeparableConv(ins, outs, style, apply_act=not skip, **shape)
            )
            self.stack.add_module(f"conv{index}", conv3x3)
        self.tap_end = len(self.stack) - 1
        self.drop_path = DropPath(drop_path) if skip and drop_path else nn.Identity()

    def run(self, x: Tensor) -> Tensor:
        """See `TappedBlock.run`."""
        x = self.norm(x)
        y = self.stack(x)
        return y if len(self.stack) == self.tap_end else self._join(x, y)

    def run_tap(self, x: Tensor, stop: bool) -> Tuple[Tensor, Tensor]:  # noqa: UP006
        """See `TappedBlock.run_tap`."""
        tap = x = self.norm(x)
        for index, layer in enumerate(self.stack):
            if index < self.tap_end:
                tap = layer(tap)
        return tap if stop or len(self.stack) == self.tap_end else self._join(x, self.stack[-1](tap)), tap

    def _join(self, x: Tensor, y: Tensor) -> Tensor:
        """Add the shortcut, which starts from `x`, and the residual `y`."""
        y = self.drop_path(y)
        if self.shortcut is not None:
            x = self.shortcut(x)
        return y + x if self.skip else y

    def drop_past_tap(self) -> None:
        """See `TappedBlock.drop_past_tap`."""
        # Another container, because another network may share this one.
        self.stack = self.stack[: self.tap_end]  # type: ignore[assignment] # a slice is an nn.Sequential
        drop_child(self, "shortcut")
        self.drop_path = nn.Identity()
