"""Max pooling: PyTorch's values in every case, whichever way they are found."""

import copy
import itertools

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn
from zoo_core.layers import MaxPool2d

SHAPES = [(2, 3, 8, 8), (1, 2, 7, 9), (1, 1, 1, 1), (2, 1, 1, 5), (1, 1, 2, 2), (3, 3, 11, 4), (0, 3, 8, 8), (3, 10, 7)]


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("shape", "stride"), list(itertools.product(SHAPES, [1, 2, 3, 5])))
def test_the_values_are_those_of_pytorch(shape, stride, dtype):
    x = torch.randn(shape).to(dtype)
    pooled = MaxPool2d(3, stride, padding=1)(x)
    expected = F.max_pool2d(x, 3, stride, padding=1)
    assert torch.equal(pooled, expected)
    assert pooled.dtype == dtype
    assert pooled.stride() == expected.stride()


@torch.no_grad()
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("stride", [1, 2])
def test_what_is_no_number_or_infinite_spreads_as_in_pytorch(value, stride):
    for row, column in itertools.product(range(6), range(5)):
        x = torch.randn(1, 1, 6, 5)
        x[0, 0, row, column] = value
        expected = F.max_pool2d(x, 3, stride, padding=1)
        torch.testing.assert_close(MaxPool2d(3, stride, padding=1)(x), expected, rtol=0, atol=0, equal_nan=True)
    x = torch.full((1, 1, 6, 5), value)
    torch.testing.assert_close(
        MaxPool2d(3, stride, padding=1)(x), F.max_pool2d(x, 3, stride, padding=1), rtol=0, atol=0, equal_nan=True
    )


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 2},
        {"kernel_size": (3, 3), "stride": (2, 1), "padding": (1, 1)},
        {"kernel_size": 3, "stride": (2, 1), "padding": 1},
        {"kernel_size": 5, "stride": 1, "padding": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1, "dilation": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    ],
)
@torch.no_grad()
def test_other_windows_are_pooled_too(options):
    x = torch.randn(2, 3, 16, 12)
    assert torch.equal(MaxPool2d(**options)(x), nn.MaxPool2d(**options)(x))


@torch.no_grad()
def test_the_places_are_returned_where_somebody_asks():
    x = torch.randn(2, 3, 8, 8)
    pool, theirs = (kind(3, 2, padding=1, return_indices=True) for kind in (MaxPool2d, nn.MaxPool2d))
    assert all(map(torch.equal, pool(x), theirs(x)))


@torch.no_grad()
@pytest.mark.parametrize(
    "arrange", [lambda x: x.mT, lambda x: x[..., ::2], lambda x: x.to(memory_format=torch.channels_last)]
)
def test_images_arranged_otherwise_stay_arranged_as_pytorch_arranges_them(arrange):
    x = arrange(torch.randn(2, 4, 8, 8))
    pooled, expected = MaxPool2d(3, 2, padding=1)(x), F.max_pool2d(x, 3, 2, padding=1)
    assert torch.equal(pooled, expected)
    assert pooled.stride() == expected.stride()


def test_the_gradient_is_that_of_pytorch():
    x = torch.randn(2, 3, 9, 8)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    MaxPool2d(3, 2, padding=1)(ours).square().sum().backward()
    F.max_pool2d(theirs, 3, 2, padding=1).square().sum().backward()
    assert torch.equal(ours.grad, theirs.grad)


@torch.no_grad()
def test_the_images_stay_as_they_are():
    x = torch.randn(2, 3, 8, 8)
    before = x.clone()
    for stride in (1, 2):
        MaxPool2d(3, stride, padding=1)(x)
    assert torch.equal(x, before)


@torch.no_grad()
def test_images_of_no_pixels_are_refused_as_by_pytorch():
    with pytest.raises(RuntimeError):
        MaxPool2d(3, 2, padding=1)(torch.zeros(1, 3, 0, 4))


@torch.no_grad()
@pytest.mark.parametrize(
    "program",
    [
        torch.jit.script,
        lambda pool: torch.jit.trace(pool, torch.randn(1, 2, 8, 8)),
        torch.fx.symbolic_trace,
        lambda pool: torch.export.export(pool, (torch.randn(1, 2, 8, 8),)).module(),
        lambda pool: torch.compile(pool, fullgraph=True, backend="aot_eager"),
        torch.vmap,
    ],
    ids=["script", "trace", "fx", "export", "compile", "vmap"],
)
def test_programs_can_be_made_of_it_without_gradients_too(program):
    pool, x = MaxPool2d(3, 2, padding=1), torch.randn(1, 2, 8, 8)
    assert torch.equal(program(copy.deepcopy(pool))(x), F.max_pool2d(x, 3, 2, padding=1))
