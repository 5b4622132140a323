"""In-place activated batch norm against batch norm and activation as two modules."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name
from zoo_core.errors import OptionError
from zoo_core.layers import Stage, get_norm_act_layer
from zoo_core.layers.inplace_abn import InplaceAbn, inplace_abn

ACTS = {"leaky_relu": nn.LeakyReLU(0.01), "elu": nn.ELU(), "identity": nn.Identity()}


def randomised(act: str, channels: int = 6) -> InplaceAbn:
    """A layer with scales of both signs and a zero, biases, and running statistics that are no
    defaults."""
    torch.manual_seed(0)
    norm = InplaceAbn(channels, act_layer=act)
    with torch.no_grad():
        norm.weight.uniform_(-2, 2)[1] = 0
        norm.bias.normal_()
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    return norm


def unfused(norm: InplaceAbn, act: nn.Module, x: Tensor) -> tuple[Tensor, nn.BatchNorm2d]:
    """The two modules that `norm` stands for, on `x`; scales of both signs as |gamma| + eps."""
    plain = nn.BatchNorm2d(norm.num_features, momentum=norm.momentum).train(norm.training)
    plain.load_state_dict(norm.state_dict())
    with torch.no_grad():
        plain.weight.copy_(norm.weight.abs() + norm.eps)
    return act(plain(x)), plain


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("act", ACTS)
def test_outputs_gradients_and_statistics_are_those_of_the_two_modules(act: str, training: bool) -> None:
    norm = randomised(act).train(training)
    x = (3 * torch.randn(4, 6, 7, 5) + 1).requires_grad_()
    twin = x.detach().clone().requires_grad_()
    expected, plain = unfused(norm, ACTS[act], twin)
    out = norm(x)
    weights = torch.randn_like(out)
    (out * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(x.grad, twin.grad, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(norm.bias.grad, plain.bias.grad, rtol=1e-5, atol=1e-5)
    sign = torch.where(norm.weight < 0, -1.0, 1.0)
    kept = norm.weight != 0  # there the output says the normalised input to a few digits only
    torch.testing.assert_close(norm.weight.grad[kept], (sign * plain.weight.grad)[kept], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(norm.weight.grad[~kept], plain.weight.grad[~kept], rtol=0.05, atol=0.05)
    for mine, theirs in zip(norm.buffers(), plain.buffers(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("act", ACTS)
def test_gradcheck_in_double_precision(act: str, training: bool) -> None:
    norm = randomised(act, channels=3).double().train(training)
    nn.init.uniform_(norm.weight, 0.5, 2)
    norm.weight.data[0] *= -1
    x = torch.randn(4, 3, 3, 2, dtype=torch.double, requires_grad=True)

    def run(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        statistics = norm.running_mean, norm.running_var
        return inplace_abn(x, *statistics, weight, bias, training, 0.0, norm.eps, act, norm.act_param)

    assert torch.autograd.gradcheck(run, (x, norm.weight, norm.bias))


@pytest.mark.parametrize("act", ["leaky_relu", "elu"])
def test_of_two_full_size_tensors_one_is_kept(act: str) -> None:
    x = torch.randn(8, 6, 32, 32)
    sizes: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = InplaceAbn(6, act_layer=act)(x)
    assert sizes.pop(out.data_ptr()) == x.nbytes
    assert sum(sizes.values()) < 100  # scale, bias and deviation of each channel


def test_the_input_is_left_as_it_was() -> None:
    x = torch.randn(2, 6, 4, 4, requires_grad=True)
    before = x.detach().clone()
    randomised("leaky_relu")(x).sum().backward()
    assert torch.equal(x, before)


def test_a_saturated_elu_has_finite_gradients() -> None:
    x = torch.full((2, 1, 50, 50), 0.1)
    x[0, 0, 0, 0] = -100  # fifty deviations off: the ELU rounds to -1 there
    x.requires_grad_()
    norm = InplaceAbn(1, act_layer="elu")
    out = norm(x)
    assert out.min() == -1
    out.pow(2).sum().backward()
    assert all(tensor.grad.isfinite().all() for tensor in (x, norm.weight, norm.bias))


class Residual(nn.Module):
    """A residual block whose last scale starts at zero."""

    def __init__(self, channels: int, act: str) -> None:
        super().__init__()
        norm = get_norm_act_layer("iabn", act)
        conv = [nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(2)]
        self.body = nn.Sequential(conv[0], norm(channels), conv[1], norm(channels, apply_act=False))
        nn.init.zeros_(self.body[3].weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


@pytest.mark.parametrize("act", ["leaky_relu", "elu"])
def test_training_from_zero_initialised_scales(act: str) -> None:
    torch.manual_seed(0)
    norm = get_norm_act_layer("iabn", act)
    stem = [nn.Conv2d(1, 8, 3, padding=1, bias=False), norm(8)]
    net = nn.Sequential(
        *stem, Residual(8, act), Residual(8, act), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)
    )
    images = torch.randn(64, 1, 8, 8)
    labels = (images.diff(dim=3).abs().mean((1, 2, 3)) > 1.13).long()  # rough or smooth
    optimiser = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    for _ in range(300):
        loss = F.cross_entropy(net(images), labels)
        optimiser.zero_grad()
        loss.backward()
        assert all(parameter.grad.isfinite().all() for parameter in net.parameters())
        optimiser.step()
    assert loss < 0.15
    assert all(block.body[3].weight.abs().max() > 0.05 for block in (net[2], net[3]))
    assert (net.eval()(images).argmax(1) == labels).float().mean() > 0.9


def test_autocast_keeps_half_precision_and_full_precision_gradients() -> None:
    conv, norm = nn.Conv2d(3, 6, 3), randomised("leaky_relu")
    with torch.no_grad():  # a small weight would magnify how coarsely bfloat16 holds what it is divided into
        norm.weight += norm.weight.sign()
    x = torch.randn(4, 3, 9, 9)
    grads = []
    for enabled in (False, True):
        norm.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            out = norm(conv(x))
        assert out.dtype == (torch.bfloat16 if enabled else torch.float32)
        out.float().pow(2).sum().backward()
        grads.append([norm.weight.grad.clone(), norm.bias.grad.clone()])
    kept = norm.weight != 0
    for full, half in zip(*grads, strict=True):
        assert half.dtype == torch.float32
        torch.testing.assert_close(half[kept], full[kept], rtol=0.05, atol=4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("act", ACTS)
def test_compilers_and_tracers_compute_the_same(act: str, training: bool) -> None:
    norm = nn.Sequential(randomised(act)).train(training)
    x = torch.randn(4, 6, 5, 5)
    state = copy.deepcopy(norm.state_dict())
    expected = norm(x)
    forms = {
        "script": lambda: torch.jit.script(norm)(x),
        "fx": lambda: torch.fx.symbolic_trace(norm)(x),
        "compile": lambda: torch.compile(norm, fullgraph=True, backend="aot_eager")(x),
    }
    if not training:
        forms["export"] = lambda: torch.export.export(norm, (x,)).module()(x)
        forms["trace"] = lambda: torch.jit.trace(norm, x)(x)
    for name, run in forms.items():
        norm.load_state_dict(state)
        out = run()
        torch.testing.assert_close(out, expected, msg=lambda message, name=name: f"{name}: {message}")


def test_compiled_gradients_are_the_same_where_a_scale_is_zero() -> None:
    norm = randomised("leaky_relu").double()
    x = torch.randn(4, 6, 5, 5, dtype=torch.double)
    grads = []
    for run in (norm, torch.compile(norm, fullgraph=True, backend="aot_eager")):
        norm.zero_grad()
        run(x).pow(2).sum().backward()
        grads.append(norm.weight.grad.clone())
    torch.testing.assert_close(*grads, rtol=1e-6, atol=1e-6)


def test_statistics_are_updated_once_under_checkpointing() -> None:
    norms = [randomised("leaky_relu"), randomised("leaky_relu")]
    x = torch.randn(4, 6, 5, 5, requires_grad=True)
    for norm, checkpointed in zip(norms, (False, True), strict=True):
        stage = Stage(nn.Sequential(nn.Identity(), norm, nn.Tanh()))
        stage.grad_checkpointing = checkpointed
        stage(x).sum().backward()
    for plain, again in zip(norms[0].buffers(), norms[1].buffers(), strict=True):
        assert torch.equal(plain, again)


def test_momentum_none_averages() -> None:
    norm = InplaceAbn(2, momentum=None)
    batches = torch.randn(3, 4, 2, 5, 5)
    for batch in batches:
        norm(batch)
    torch.testing.assert_close(norm.running_mean, torch.stack([b.mean((0, 2, 3)) for b in batches]).mean(0))


def test_plain_weights_load_silently_when_they_mean_the_same() -> None:
    plain = nn.BatchNorm2d(4)
    nn.init.uniform_(plain.weight, 0.5, 2)
    norm = InplaceAbn(4, act_layer="identity")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        norm.load_state_dict(plain.state_dict())
    x = torch.randn(2, 4, 3, 3)
    torch.testing.assert_close(norm.eval()(x), plain.eval()(x), rtol=1e-4, atol=1e-4)


def test_plain_weights_with_negative_or_zero_scales_warn() -> None:
    plain = nn.Sequential(nn.BatchNorm2d(4))
    plain[0].weight.data.copy_(torch.tensor([1.0, -1.0, 0.0, -2.0]))
    norm = nn.Sequential(InplaceAbn(4))
    with pytest.warns(UserWarning, match=r"^0\.weight: of 4 scales 2 are negative and 1 are zero.*\|weight\| \+ 1e-05"):
        norm.load_state_dict(plain.state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nn.Sequential(InplaceAbn(4)).load_state_dict(norm.state_dict())  # its own signs mean nothing


def test_what_cannot_be_inverted_is_refused() -> None:
    with pytest.raises(OptionError, match="cannot invert 'relu'; give it one of 'leaky_relu', 'elu', 'identity'"):
        InplaceAbn(4, act_layer="relu")
    with pytest.raises(OptionError, match="cannot drop activations"):
        InplaceAbn(4, drop_layer=nn.Dropout)
    with pytest.raises(OptionError, match=r"above zero, got act_param=0.0, eps=1e-05"):
        InplaceAbn(4, act_param=0.0)
    with pytest.raises(ValueError, match=r"more than 1 value per channel when training, got input size \(1, 4, 1, 1\)"):
        InplaceAbn(4)(torch.randn(1, 4, 1, 1))


def test_names_and_classes_of_activations() -> None:
    assert InplaceAbn(4, act_layer=nn.ELU).act_name == "elu"
    assert InplaceAbn(4, act_layer=None).act_name == "identity"
    assert InplaceAbn(4, apply_act=False).act_name == "identity"
    built = get_norm_act_layer("iabn", "leaky_relu")(4)
    assert isinstance(built, InplaceAbn)
    assert repr(built).endswith("act=leaky_relu(0.01))")
