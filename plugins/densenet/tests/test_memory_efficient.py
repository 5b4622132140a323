"""``memory_efficient``: the same training with fewer bytes kept."""

from __future__ import annotations

import pytest
import torch
import zoo_densenet
from torch import Tensor, nn

NORMS = [
    ("batchnorm2d", "relu"),
    ("batchnorm2d", "leaky_relu"),
    ("batchnorm2d", "silu"),
    ("groupnorm1", "relu"),
    ("iabn", "elu"),
]


def pair(norm: str = "batchnorm2d", act: str = "relu") -> list[nn.Module]:
    """The same network without and with the option."""
    options = {"growth_rate": 8, "block_config": (3, 3, 2, 2), "num_classes": 5, "norm_layer": norm, "act_layer": act}
    nets = [zoo_densenet.densenet121(**options, memory_efficient=flag) for flag in (False, True)]
    nets[1].load_state_dict(nets[0].state_dict())
    return nets


def step(net: nn.Module, x: Tensor) -> dict[str, Tensor]:
    net.zero_grad()
    net(x).float().pow(2).mean().backward()
    return {name: parameter.grad for name, parameter in net.named_parameters()}


def kept_bytes(net: nn.Module, x: Tensor) -> int:
    """Bytes of the distinct tensors kept for the backward pass, beside the network's own."""
    own = {tensor.untyped_storage().data_ptr() for tensor in net.state_dict().values()}
    kept: dict[int, int] = {}
    alive = []  # so that no address is used twice

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        net(x)
    return sum(kept.values())


@pytest.mark.parametrize(("norm", "act"), NORMS)
def test_gradients_and_statistics_are_the_same(norm: str, act: str) -> None:
    x = torch.randn(4, 3, 64, 64)
    plain, recomputing = pair(norm, act)
    for _ in range(2):
        expected, grads = step(plain, x), step(recomputing, x)
    for name, grad in grads.items():
        torch.testing.assert_close(grad, expected[name], rtol=1e-5, atol=1e-5 * expected[name].abs().max().item())
    for mine, theirs in zip(recomputing.buffers(), plain.buffers(), strict=True):
        assert torch.equal(mine, theirs)


FROZEN = {
    "first of both in each layer": ("conv1", "norm1"),
    "all norms and the stem": ("norm", "conv0"),
    "all convolutions": ("conv",),
    "all but the classifier": ("features",),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("frozen", FROZEN)
def test_fine_tuning_with_frozen_parameters_and_statistics(frozen: str, training: bool) -> None:
    plain, recomputing = pair()
    for net in (plain, recomputing):
        net.train(training)
        for name, parameter in net.named_parameters():
            parameter.requires_grad_(not any(part in name for part in FROZEN[frozen]))
    x = torch.randn(2, 3, 64, 64)
    expected, grads = step(plain, x), step(recomputing, x)
    for name, grad in expected.items():
        assert (grads[name] is None) == (grad is None)
        if grad is not None:
            torch.testing.assert_close(grads[name], grad, rtol=1e-4, atol=1e-5 * grad.abs().max().item())


def test_at_least_sixty_per_cent_fewer_bytes_are_kept() -> None:
    x = torch.randn(2, 3, 64, 64)
    plain, recomputing = (zoo_densenet.densenet121(memory_efficient=flag) for flag in (False, True))
    assert kept_bytes(recomputing, x) <= 0.4 * kept_bytes(plain, x)


def test_iabn_keeps_at_least_35_per_cent_fewer_bytes() -> None:
    x = torch.randn(2, 3, 64, 64)
    options = {"growth_rate": 16, "block_config": (4, 4, 4, 4)}
    plain, fused = (getattr(zoo_densenet, name)(**options) for name in ("densenet264d", "densenet264d_iabn"))
    assert kept_bytes(fused, x) <= 0.65 * kept_bytes(plain, x)


def test_grad_checkpointing_is_the_same_switch() -> None:
    net, _ = pair()
    x = torch.randn(2, 3, 64, 64)
    before = kept_bytes(net, x)
    net.set_grad_checkpointing()
    assert kept_bytes(net, x) < 0.7 * before
    net.set_grad_checkpointing(False)
    assert kept_bytes(net, x) == before


def test_a_graph_can_be_used_twice_and_in_part() -> None:
    _, net = pair()
    loss = net(torch.randn(2, 3, 64, 64)).pow(2).mean()
    convolution = net.features.denseblock2.denselayer2.conv1.weight
    (part,) = torch.autograd.grad(loss, convolution, retain_graph=True)
    loss.backward(retain_graph=True)
    assert torch.equal(convolution.grad, part)
    loss.backward()
    assert torch.equal(convolution.grad, 2 * part)


def test_autocast() -> None:
    x = torch.randn(4, 3, 64, 64)
    plain, recomputing = pair()
    grads = []
    for net in (plain, recomputing):
        with torch.autocast("cpu", torch.bfloat16):
            out = net(x)
        out.float().pow(2).mean().backward()
        grads.append(net.features.conv0.weight.grad)
    assert (grads[0] - grads[1]).norm() < 0.05 * grads[0].norm()


def test_compiled_training_is_the_same() -> None:
    x = torch.randn(4, 3, 64, 64)
    plain, recomputing = pair()
    expected = step(plain, x)
    grads = step(torch.compile(recomputing, fullgraph=True, backend="aot_eager"), x)
    for name, grad in expected.items():
        torch.testing.assert_close(grads[f"_orig_mod.{name}"], grad, rtol=1e-4, atol=1e-5 * grad.abs().max().item())
    for mine, theirs in zip(recomputing.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_one_value_per_channel_is_refused_as_without_the_option() -> None:
    for net in pair():
        with pytest.raises(ValueError, match="Expected more than 1 value per channel when training"):
            net(torch.randn(1, 3, 32, 32))
