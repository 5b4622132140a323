"""What a blueprint builds: the modules that their constructors make, each with tensors of its own, without memory."""

import pytest
import torch
from torch import nn
from zoo_core.blueprint import Blueprint, actual, construct, repeatable, sized
from zoo_core.builder import build_model_with_cfg
from zoo_core.layers.norm_act import BatchNormAct2d
from zoo_core.layers.plain import conv2d
from zoo_core.network import Network

CONSTRUCTIONS = [
    (nn.Conv2d, (8, 16, 3), {"bias": False}),
    (nn.Conv2d, (8, 16, 3), {}),
    (nn.Conv2d, (8, 8, 3, 2, 1), {"groups": 8}),
    (nn.Conv2d, (64, 32, 3, 2, 1), {"groups": 4, "padding_mode": "reflect"}),
    (nn.BatchNorm2d, (24,), {"eps": 1e-3}),
    (nn.BatchNorm2d, (24,), {"affine": False}),
    (BatchNormAct2d, (24,), {"act_layer": "silu"}),
    (nn.Linear, (7, 5), {}),
    (nn.GroupNorm, (4, 16), {}),
    (nn.Sequential, (nn.ReLU(), nn.Dropout(0.5)), {}),
    (nn.MultiheadAttention, (16, 4), {}),
]


def described(module: nn.Module):
    """All that a module holds, but for the values of its tensors."""
    tensors = [*module.named_parameters(), *module.named_buffers()]
    attributes = {
        name: {key: value for key, value in vars(part).items() if key not in ("_parameters", "_buffers", "_modules")}
        for name, part in module.named_modules()
    }
    shapes = [(name, type(tensor), tensor.shape, tensor.dtype, tensor.requires_grad) for name, tensor in tensors]
    return str(module), list(module.state_dict()), shapes, attributes


@pytest.mark.parametrize(("constructor", "args", "kwargs"), CONSTRUCTIONS)
def test_a_copy_is_what_the_constructor_makes(constructor, args, kwargs):
    expected = described(constructor(*args, **kwargs))
    with Blueprint():
        made = [construct(constructor, *args, **kwargs) for _ in range(3)]
    for module in made:
        assert type(module) is constructor
        assert described(module) == expected
        module.requires_grad_(False)
        module.extra = 1  # nobody else's business


def test_copies_share_no_tensor_and_no_container():
    with Blueprint():
        one, other = conv2d(4, 4, 3), conv2d(4, 4, 3)
        norms = [construct(BatchNormAct2d, 4) for _ in range(2)]
    assert one.weight is not other.weight
    one.register_forward_hook(lambda *_: None)
    one.weight.requires_grad_(False)
    assert not other._forward_hooks
    assert other.weight.requires_grad
    assert norms[0].act is not norms[1].act
    norms[0].num_batches_tracked += 5
    assert norms[1].num_batches_tracked == 0


@pytest.mark.parametrize("place", ["cpu", "meta"])
@pytest.mark.parametrize("default", ["cpu", "meta"])
def test_copies_have_their_tensors_where_they_are_wanted(place, default):
    expected = described(nn.Sequential(nn.Conv2d(3, 5, 3), BatchNormAct2d(5)))
    with torch.device(default), Blueprint(torch.device(place)):
        for _ in range(2):
            made = construct(nn.Sequential, conv2d(3, 5, 3), construct(BatchNormAct2d, 5))
    parameters = list(made.parameters())
    assert {parameter.device.type for parameter in parameters} == {place}
    assert len({id(parameter) for parameter in parameters}) == 4
    assert described(made) == expected


def test_a_network_that_is_part_of_another_is_drawn_while_the_other_is_built():
    class Halves(Network):
        def __init__(self):
            super().__init__()
            self.conv = conv2d(3, 4, 1, bias=False)

        def get_classifier(self):
            return nn.Identity()

        def init_module(self, module):
            if module is self.conv:
                nn.init.constant_(module.weight, 0.5)

    class Pair(Halves):
        def __init__(self):
            super().__init__()
            self.inner = build_model_with_cfg(Halves, "halves", pretrained=False)
            self.drawn = self.inner.conv.weight.detach().clone()

    pair = build_model_with_cfg(Pair, "pair", pretrained=False)
    assert pair.drawn.eq(0.5).all()


def test_one_prototype_serves_all_sizes():
    calls = []

    @sized(2)
    def layer(ins, outs, kernel):
        calls.append((ins, outs))
        return nn.Conv2d(ins, outs, kernel)

    with Blueprint():
        made = [repeatable(layer)(ins, outs, 3) for ins, outs in ((1, 2), (3, 4), (3, 3), (5, 6))]
    assert [tuple(conv.weight.shape) for conv in made] == [(2, 1, 3, 3), (4, 3, 3, 3), (3, 3, 3, 3), (6, 5, 3, 3)]
    assert [(conv.in_channels, conv.out_channels) for conv in made] == [(1, 2), (3, 4), (3, 3), (5, 6)]
    assert len(calls) == 1


def test_a_size_that_decides_on_the_shape_of_something_else_is_constructed_with_itself():
    with Blueprint():
        convs = [conv2d(width, width, 3, groups=4) for width in (4, 8, 16)]
    assert [tuple(conv.weight.shape) for conv in convs] == [(4, 1, 3, 3), (8, 2, 3, 3), (16, 4, 3, 3)]


def test_a_layer_that_computes_with_an_actual_size_is_constructed_with_it():
    @sized(1)
    class Squeeze(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.conv = conv2d(channels, max(actual(channels) // 4, 8), 1)

    with Blueprint():
        made = [construct(Squeeze, channels) for channels in (16, 64, 64)]
    assert [tuple(layer.conv.weight.shape) for layer in made] == [(8, 16, 1, 1), (16, 64, 1, 1), (16, 64, 1, 1)]


def test_a_constructor_says_what_is_wrong_in_a_blueprint_too():
    with Blueprint(), pytest.raises(ValueError, match="divisible by groups"):
        conv2d(6, 6, 3, groups=4)
    with Blueprint(), pytest.raises(TypeError, match="unexpected keyword argument 'nope'"):
        conv2d(6, 6, 3, nope=1)
    with pytest.raises(RuntimeError), Blueprint():
        raise RuntimeError
    assert not conv2d(1, 1, 1).weight.is_meta  # the blueprint ended with its error


def test_values_that_a_constructor_computes_are_kept():
    class Grid(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("grid", torch.arange(4.0))

    with Blueprint():
        grids = [construct(Grid) for _ in range(2)]
    grids[0].grid += 1
    assert grids[1].grid.tolist() == [0.0, 1.0, 2.0, 3.0]


def test_outside_a_blueprint_every_call_constructs_and_draws():
    one, other = conv2d(4, 4, 3), conv2d(4, 4, 3)
    assert not torch.equal(one.weight, other.weight)
