"""A residual block with a feature map inside: the last activation before it subsamples."""

from functools import partial
from typing import List, Tuple  # noqa: UP035 - TorchScript knows no others

import torch
from torch import Tensor, nn
from zoo_core.layers import checkpoint_block


class TappedBlock(nn.Module):
    """A residual block in two parts, with a feature map between them if it has a `stage`.

    Attributes:
        stage: the index of the feature map that lies between the parts, or of the next one that a
            later block has.
        tapped: whether it lies in this block.
    """

    def __init__(self, stage: int, tapped: bool) -> None:
        super().__init__()
        self.stage = stage
        self.tapped = tapped
        self.grad_checkpointing = False

    def run(self, x: Tensor) -> Tensor:
        """Run the block as a whole: its input to its output."""
        raise NotImplementedError

    def run_tap(self, x: Tensor, stop: bool) -> Tuple[Tensor, Tensor]:  # noqa: UP006
        """Return output and feature map; with `stop` run the first part alone: the map twice."""
        raise NotImplementedError

    def drop_past_tap(self) -> None:
        """Drop the modules of the second part."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, h, w) to (batch, out_channels, h / stride, w / stride)."""
        if not torch.jit.is_scripting() and self.grad_checkpointing:  # type: ignore[attr-defined]
            return checkpoint_block(self, x, self.run)
        return self.run(x)

    def forward_tap(self, x: Tensor, stop: bool) -> Tuple[Tensor, Tensor]:  # noqa: UP006
        """Run `run_tap`, with gradient checkpointing where it is on."""
        if not torch.jit.is_scripting() and self.grad_checkpointing:  # type: ignore[attr-defined]
            return self._checkpointed(x, stop)
        return self.run_tap(x, stop)

    def walk(self, x: Tensor, taps: List[int], last: int, maps: List[Tensor]) -> Tensor:  # noqa: UP006
        """Run the block as a part of `Network.forward_stages`, and add a wanted map to `maps`."""
        if self.stage > last:
            pass
        elif not self.tapped or (self.stage not in taps and self.stage != last):
            x = self(x)
        else:
            x, tap = self.forward_tap(x, self.stage == last)
            if self.stage in taps:
                maps.append(tap)
        return x

    @torch.jit.unused
    def _checkpointed(self, x: Tensor, stop: bool) -> Tuple[Tensor, Tensor]:  # noqa: UP006
        result: tuple[Tensor, Tensor] = checkpoint_block(self, x, partial(self.run_tap, stop=stop))
        return result
