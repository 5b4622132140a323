"""In-place activated batch norm: it keeps one tensor for the backward pass instead of two.

Rota Bulò, Porzi, Kontschieder: In-Place Activated BatchNorm for Memory-Optimized Training of DNNs,
https://arxiv.org/abs/1712.02616. Pure PyTorch, so it runs wherever batch norm does.

Batch norm keeps its input and an activation keeps its output. Where the activation has an inverse,
the output alone is enough: undo the activation, subtract the bias and divide by the scale, and the
normalised input is back. The scale must never be zero for that, hence the paper's |gamma| + eps in
the place of gamma.
"""

import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F  # noqa: N812 - its usual name

from zoo_core.errors import OptionError
from zoo_core.layers.activation import ActLayer, get_act_layer
from zoo_core.layers.norm import ActivatedBatchNorm, DropLayer

_ACT_PARAM = {"leaky_relu": 0.01, "elu": 1.0, "identity": 1.0}
"""The activations that have an inverse, and the default slope or alpha of each."""
_BY_CLASS: dict[Any, str] = {nn.LeakyReLU: "leaky_relu", nn.ELU: "elu", nn.Identity: "identity"}


class InplaceAbn(ActivatedBatchNorm):
    """Batch norm with the scale |gamma| + eps, then the activation.

    (batch, num_features, h, w) to the same shape. The state dict is a plain batch norm's. gamma at
    zero, as `zero_init_last` leaves it, is a scale of eps: the block starts as an identity all but
    for 1e-5, and gamma still learns, because the slope of |gamma| at zero counts as +1.

    In half precision a channel whose bias is some thousand times its scale says little about its
    normalised input; its gamma then gets a coarse gradient. The gradients of everything else are
    not affected.

    Args:
        num_features: channels.
        eps: added to the variance and to |gamma|; above zero.
        momentum: of the running statistics; None for their plain average.
        track_running_stats: False normalises every batch by its own statistics.
        apply_act: whether there is an activation.
        act_layer: ``"leaky_relu"``, ``"elu"``, ``"identity"``, or PyTorch's class of one of them.
        act_param: the slope of the leaky ReLU (default 0.01) or the alpha of the ELU (default 1),
            above zero.
        drop_layer: only None, because a dropout between norm and activation has no inverse.

    Raises:
        OptionError: for an activation without an inverse, a parameter or eps that is not above
            zero, or a `drop_layer`.
    """

    # A plain batch norm writes version 2 into its state dict; above that, the sign of gamma has no
    # meaning.
    _version = 3

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        track_running_stats: bool = True,
        *,
        apply_act: bool = True,
        act_layer: ActLayer = "leaky_relu",
        act_param: float | None = None,
        drop_layer: DropLayer = None,
    ) -> None:
        super().__init__(num_features, eps, momentum, track_running_stats=track_running_stats)
        act = _BY_CLASS.get(get_act_layer(act_layer))
        if act is None:
            raise OptionError(
                f"in-place activated batch norm has to invert its activation and cannot invert {act_layer!r}; "
                f"give it one of {', '.join(map(repr, _ACT_PARAM))}"
            )
        if drop_layer is not None:
            raise OptionError("in-place activated batch norm cannot drop activations: use norm_layer='batchnorm'")
        self.act_name: str = act if apply_act else "identity"
        self.act_param: float = _ACT_PARAM[self.act_name] if act_param is None else act_param
        if self.act_param <= 0 or eps <= 0:
            raise OptionError(f"act_param and eps must be above zero, got act_param={self.act_param}, eps={eps}")

    def normalise(self, x: Tensor, mean: Tensor | None, var: Tensor | None, of_batch: bool, momentum: float) -> Tensor:
        """See `ActivatedBatchNorm.normalise`."""
        weight, bias, eps = self.weight, self.bias, self.eps
        return inplace_abn(x, mean, var, weight, bias, of_batch, momentum, eps, self.act_name, self.act_param)

    def extra_repr(self) -> str:
        """Return `nn.BatchNorm2d`'s text, and the activation."""
        return f"{super().extra_repr()}, act={self.act_name}({self.act_param:g})"  # type: ignore[no-untyped-call]

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *args: Any
    ) -> None:
        """Warn where a plain batch norm's scales do not mean the same here."""
        weight = state_dict.get(f"{prefix}weight")
        if weight is not None and not weight.is_meta and (local_metadata.get("version") or 0) < self._version:
            negative, zero = int((weight < 0).sum()), int((weight == 0).sum())
            if negative or zero:
                warnings.warn(
                    f"{prefix}weight: of {weight.numel()} scales {negative} are negative and {zero} are zero. In-place "
                    f"activated batch norm scales by |weight| + {self.eps:g}: weights trained with a plain batch norm "
                    "lose those signs and compute something else; weights trained with this layer do not.",
                    stacklevel=2,
                )
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


@torch.fx.wrap  # one node of a graph: torch.fx cannot follow the choice inside
def inplace_abn(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor,
    bias: Tensor,
    batch_stats: bool,
    momentum: float,
    eps: float,
    act: str,
    act_param: float,
) -> Tensor:
    """Normalise and activate, keeping only the output for the backward pass.

    (batch, channels, h, w) to the same. With `batch_stats` the statistics are the batch's, and are
    folded into the running ones (where there are any) with `momentum`; otherwise they are the
    running ones.

    Raises:
        ValueError: for a batch of one value per channel, which has no statistics.
    """
    if not torch.jit.is_scripting():  # type: ignore[attr-defined]
        eager = _records_gradients()
        if eager:
            if batch_stats and x.numel() == x.shape[1]:
                size = tuple(x.shape)
                raise ValueError(f"Expected more than 1 value per channel when training, got input size {size}")
            out: Tensor = _KeepOutput.apply(  # type: ignore[no-untyped-call]
                x, running_mean, running_var, weight, bias, batch_stats, momentum, eps, act, act_param
            )
            return out
    # Compilers and tracers plan by themselves what the backward pass keeps: they get PyTorch's own
    # operations.
    scale = torch.where(weight < 0, -weight, weight) + eps  # Unlike abs, it has a slope at zero.
    x = F.batch_norm(x, running_mean, running_var, scale, bias, batch_stats, momentum, eps)
    if act == "leaky_relu":
        return F.leaky_relu(x, act_param, inplace=True)
    if act == "elu":
        return F.elu(x, act_param, inplace=True)
    return x


def _records_gradients() -> bool:
    """Tell whether the call runs now and has a backward pass: nobody traces or compiles."""
    tracing = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    return torch.is_grad_enabled() and not tracing and not torch.compiler.is_compiling()


class _KeepOutput(torch.autograd.Function):
    """Batch norm and activation whose backward pass starts from their output."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, mean: Any, var: Any, weight: Tensor, bias: Tensor, *options: Any) -> Tensor:
        """Run `inplace_abn` with its arguments."""
        batch_stats, momentum, eps, act, act_param = options
        out, _, invstd = torch.native_batch_norm(x, weight.abs() + eps, bias, mean, var, batch_stats, momentum, eps)
        if not batch_stats:
            invstd = (var + eps).rsqrt()
        if act == "leaky_relu":
            F.leaky_relu_(out, act_param)
        elif act == "elu":
            F.elu_(out, act_param)
        ctx.save_for_backward(out, weight, bias, invstd)
        ctx.batch_stats, ctx.eps, ctx.act, ctx.act_param = batch_stats, eps, act, act_param
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of `x`, the scale and the bias."""
        out, weight, bias, invstd = ctx.saved_tensors
        grad, normed = _undo_act(grad, out, ctx.act, ctx.act_param)
        scale = weight.abs() + ctx.eps
        if ctx.batch_stats:
            # Use batch norm's own kernel with the scaled and shifted input: "mean" bias and
            # "deviation" scale turn it into the normalised input, and the weight makes up for the
            # deviation that the kernel divides by.
            grad_x, grad_scale, grad_bias = torch.ops.aten.native_batch_norm_backward(
                grad, normed, (invstd * scale * scale).to(weight.dtype), None, None,
                bias.to(invstd.dtype), scale.reciprocal().to(invstd.dtype), True, ctx.eps, [True, True, True],
            )  # fmt: skip
        else:
            grad_x = grad * _per_channel(invstd * scale, grad)
            grad_bias = grad.sum((0, 2, 3), dtype=bias.dtype)
            shifted = normed - _per_channel(bias, normed)
            grad_scale = (grad * shifted).sum((0, 2, 3), dtype=weight.dtype) / scale
        grad_weight = torch.where(weight < 0, -grad_scale, grad_scale)
        return grad_x, None, None, grad_weight, grad_bias, None, None, None, None, None


def _undo_act(grad: Tensor, out: Tensor, act: str, act_param: float) -> tuple[Tensor, Tensor]:
    """Return the gradient and the value of the activation's input, both (batch, channels, h, w)."""
    if act == "leaky_relu":
        return torch.ops.aten.leaky_relu_backward(grad, out, act_param, True), F.leaky_relu(out, 1 / act_param)
    if act == "elu":
        # Where the ELU has rounded to -alpha its logarithm is -infinity: use the last value that it
        # tells apart.
        least = torch.finfo(out.dtype).eps - 1
        undone = torch.where(out > 0, out, (out / act_param).clamp(min=least).log1p())
        return torch.ops.aten.elu_backward(grad, act_param, 1.0, 1.0, True, out), undone
    return grad, out


def _per_channel(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like.dtype).view(1, -1, 1, 1)
