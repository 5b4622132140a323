"""Convolution, norm and activation: the unit of most convolutional networks."""

from torch import Tensor, nn

from zoo_core.layers.activation import ActLayer
from zoo_core.layers.blur_pool import AaLayer, create_aa
from zoo_core.layers.norm import DropLayer, NormLayer, get_norm_act_layer


def symmetric_padding(kernel_size: int, stride: int = 1, dilation: int = 1) -> int:
    """Return the padding, in pixels, that makes an odd kernel yield ceil(size / stride) pixels."""
    return ((stride - 1) + dilation * (kernel_size - 1)) // 2


class ConvNormAct(nn.Module):
    """Convolution (`conv`), norm and activation (`bn`), anti-aliasing (`aa`) in place of a stride.

    (batch, in_channels, h, w) to (batch, out_channels, h / stride, w / stride).

    Args:
        padding: pixels on each side; None for `symmetric_padding`.
        apply_act: whether there is an activation after the norm.
        aa_layer: the layer that subsamples where ``stride`` is above 1
            (https://arxiv.org/abs/1904.11486), by name or class; the convolution then keeps its
            resolution.
        drop_layer: class of the dropout between norm and activation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        stride: int = 1,
        padding: int | None = None,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
        *,
        apply_act: bool = True,
        norm_layer: NormLayer = "batchnorm",
        act_layer: ActLayer = "relu",
        aa_layer: AaLayer = None,
        drop_layer: DropLayer = None,
    ) -> None:
        super().__init__()
        aa_layer = aa_layer if stride > 1 else None
        conv_stride = 1 if aa_layer else stride
        if padding is None:
            padding = symmetric_padding(kernel_size, conv_stride, dilation)
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, conv_stride, padding, dilation=dilation, groups=groups, bias=bias
        )
        self.bn = get_norm_act_layer(norm_layer, act_layer)(out_channels, apply_act=apply_act, drop_layer=drop_layer)
        self.aa = create_aa(aa_layer, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, h, w) to (batch, out_channels, h / stride, w / stride)."""
        out: Tensor = self.aa(self.bn(self.conv(x)))
        return out
