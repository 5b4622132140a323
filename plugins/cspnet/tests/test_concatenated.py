import pytest
import torch
from torch import nn
from zoo_cspnet.concatenated import conv_of_concatenation


@pytest.mark.parametrize("options", [{}, {"stride": 2, "padding": 1}, {"groups": 2}, {"dilation": 2}], ids=str)
def test_outputs_and_gradients_are_those_of_the_convolution(options):
    torch.manual_seed(0)
    conv = nn.Conv2d(6, 4, 3, bias=False, **options)
    maps = [torch.randn(2, channels, 7, 9, requires_grad=True) for channels in (2, 1, 3)]
    output = conv(torch.cat(maps, dim=1))
    grad = torch.randn_like(output)
    expected = torch.autograd.grad(output, [conv.weight, *maps], grad)
    got = conv_of_concatenation(conv, maps)
    assert torch.equal(got, output)
    for one, other in zip(torch.autograd.grad(got, [conv.weight, *maps], grad), expected, strict=True):
        assert torch.equal(one, other)


def test_gradients_are_right_in_double_precision():
    conv = nn.Conv2d(3, 2, 1, bias=False).double()
    maps = [torch.randn(2, channels, 3, 3, dtype=torch.double, requires_grad=True) for channels in (1, 2)]
    assert torch.autograd.gradcheck(lambda *parts: conv_of_concatenation(conv, list(parts)), maps)


def test_a_map_that_needs_no_gradient_gets_none_and_costs_no_other_its_own():
    conv = nn.Conv2d(3, 2, 1, bias=False)
    still, moving = torch.randn(1, 1, 3, 3), torch.randn(1, 2, 3, 3, requires_grad=True)
    conv_of_concatenation(conv, [still, moving]).sum().backward()
    assert still.grad is None
    assert moving.grad is not None


def test_autocast_gives_gradients_of_the_tensors_own_precision():
    conv = nn.Conv2d(3, 2, 1, bias=False)
    maps = [torch.randn(1, channels, 3, 3, requires_grad=True) for channels in (1, 2)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = conv_of_concatenation(conv, maps)
    assert output.dtype == torch.bfloat16
    output.float().sum().backward()
    assert conv.weight.grad.dtype == torch.float32
    assert all(one.grad.dtype == torch.float32 for one in maps)


def test_the_concatenation_is_not_kept():
    conv = nn.Conv2d(3, 2, 1, bias=False)
    maps = [torch.randn(1, channels, 3, 3, requires_grad=True) for channels in (1, 2)]
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor.shape) or tensor, lambda tensor: tensor
    ):
        conv_of_concatenation(conv, maps)
    assert sorted(kept) == sorted([conv.weight.shape, *(one.shape for one in maps)])
