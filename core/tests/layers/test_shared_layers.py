"""The layers that families share: what they compute, and what they say of wrong names."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from zoo_core.errors import OptionError
from zoo_core.layers import (
    AvgPool2dSame,
    BlurPool2d,
    DropBlock2d,
    DropPath,
    EfficientChannelAttention,
    SelectAdaptivePool2d,
    SqueezeExcite,
    Stage,
    create_aa,
    create_act,
    create_attn,
    create_classifier,
    drop_path_rates,
    get_aa_layer,
    get_act_layer,
    get_attn,
    get_norm_layer,
    make_divisible,
)

IMAGES = torch.randn(2, 8, 12, 12)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("relu", nn.ReLU),
        ("SiLU", nn.SiLU),
        ("swish", nn.SiLU),
        ("hardswish", nn.Hardswish),
        ("hard_swish", nn.Hardswish),
    ],
)
def test_activations_by_name(name: str, layer: type[nn.Module]) -> None:
    assert get_act_layer(name) is layer


def test_an_activation_by_class_or_none() -> None:
    assert get_act_layer(nn.Tanh) is nn.Tanh
    assert isinstance(create_act(None), nn.Identity)
    assert create_act("relu").inplace
    assert not create_act("relu", inplace=False).inplace
    assert create_act("leaky_relu").negative_slope == 0.01


@pytest.mark.parametrize("name", ["batchnorm", "batchnorm2d", "groupnorm1", "layernorm2d", "iabn"])
def test_norms_by_name(name: str) -> None:
    norm = get_norm_layer(name)(8)
    assert norm(IMAGES).shape == IMAGES.shape
    assert norm.weight.shape == (8,)


def test_layer_norm_normalises_each_pixel() -> None:
    out = get_norm_layer("layernorm2d")(8)(IMAGES)
    torch.testing.assert_close(out.mean(dim=1), torch.zeros(2, 12, 12), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("get", "wrong", "message"),
    [
        (get_act_layer, "gellu", "unknown activation 'gellu'. Did you mean 'gelu'"),
        (get_norm_layer, "batchnrm", "unknown normalisation 'batchnrm'. Did you mean 'batchnorm'"),
        (get_attn, "ecaa", "unknown attention layer 'ecaa'. Did you mean 'eca'"),
        (get_aa_layer, "bluer", "unknown anti-aliasing layer 'bluer'. Did you mean 'blur'"),
        (SelectAdaptivePool2d, "avgmx", "unknown global_pool 'avgmx'. Did you mean 'avgmax'"),
    ],
)
def test_an_unknown_name_raises_with_the_nearest(get: Callable[[str], object], wrong: str, message: str) -> None:
    with pytest.raises(OptionError) as error:
        get(wrong)
    assert message in str(error.value)


@pytest.mark.parametrize("name", ["se", "ese", "eca", "ceca", "cbam", "gc"])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_attention_keeps_the_shape(name: str, memory_format: torch.memory_format) -> None:
    attention = create_attn(name, 8)
    images = IMAGES.contiguous(memory_format=memory_format).requires_grad_()
    out = attention(images)
    assert out.shape == IMAGES.shape
    out.sum().backward()
    assert all(parameter.grad is not None for parameter in attention.parameters())


def test_squeeze_excite_scales_channels_between_nothing_and_all() -> None:
    out = SqueezeExcite(8)(IMAGES) / IMAGES
    assert out.std(dim=(2, 3)).max() < 1e-4
    assert out.min() > 0
    assert out.max() < 1


@pytest.mark.parametrize(("channels", "width"), [(16, 3), (64, 3), (256, 5), (2048, 7)])
def test_efficient_channel_attention_reaches_further_in_wider_maps(channels: int, width: int) -> None:
    assert EfficientChannelAttention(channels).conv.weight.shape == (1, 1, width)


@pytest.mark.parametrize(
    ("value", "divisor", "result"), [(4, 8, 8), (16, 8, 16), (20, 8, 24), (19.9, 8, 16), (3, 1, 3)]
)
def test_make_divisible(value: float, divisor: int, result: int) -> None:
    assert make_divisible(value, divisor) == result


@pytest.mark.parametrize("filt_size", [2, 3, 4, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_blurring_keeps_a_constant_and_halves_the_size(filt_size: int, stride: int) -> None:
    blur = BlurPool2d(8, filt_size=filt_size, stride=stride)
    out = blur(torch.full((1, 8, 12, 12), 3.0))
    torch.testing.assert_close(out, torch.full_like(out, 3.0))
    if filt_size % 2:
        assert out.shape[-1] == 12 // stride
    assert blur.state_dict() == {}


def test_a_blur_made_on_the_meta_device_is_filled_afterwards() -> None:
    with torch.device("meta"):
        blur = BlurPool2d(4)
    blur = blur.to_empty(device="cpu")
    blur.reset_parameters()
    assert torch.equal(blur.filt, BlurPool2d(4).filt)


def test_anti_aliasing_layers_subsample() -> None:
    for aa in ("avg", "blur", nn.AvgPool2d, BlurPool2d):
        assert create_aa(aa, 8, 2)(IMAGES).shape == (2, 8, 6, 6)
    assert isinstance(create_aa(None, 8), nn.Identity)


def test_drop_path_drops_whole_samples_and_keeps_the_expectation() -> None:
    torch.manual_seed(0)
    out = DropPath(0.25)(torch.ones(4000, 2, 1, 1))
    assert out.unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert out.mean().item() == pytest.approx(1, abs=0.05)
    assert torch.equal(out[:, 0], out[:, 1])
    assert torch.equal(DropPath(0.25).eval()(IMAGES), IMAGES)


def test_drop_block_drops_squares_of_the_wanted_share() -> None:
    torch.manual_seed(0)
    out = DropBlock2d(0.1, block_size=3)(torch.ones(500, 2, 20, 20))
    dropped = (out[:, 0] == 0).float()
    assert torch.equal(out[:, 0], out[:, 1])
    assert dropped.mean().item() == pytest.approx(0.1, abs=0.03)
    assert out.mean().item() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_drop_block_takes_maps_smaller_than_its_block(size: int) -> None:
    assert DropBlock2d(0.5, block_size=7)(torch.ones(2, 3, size, size)).shape == (2, 3, size, size)


@pytest.mark.parametrize("layer", [DropPath, DropBlock2d])
@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_a_drop_rate_is_a_share(layer: type[nn.Module], rate: float) -> None:
    with pytest.raises(OptionError, match="at least 0 and below 1"):
        layer(rate)


def test_drop_path_rates_rise_to_the_rate() -> None:
    assert drop_path_rates(0.3, (1, 3)) == [[0.0], pytest.approx([0.1, 0.2, 0.3])]
    assert drop_path_rates(0.3, (1,)) == [[0.0]]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("avg", lambda x: x.mean((2, 3))),
        ("max", lambda x: x.amax((2, 3))),
        ("avgmax", lambda x: (x.mean((2, 3)) + x.amax((2, 3))) / 2),
        ("catavgmax", lambda x: torch.cat([x.mean((2, 3)), x.amax((2, 3))], dim=1)),
        ("", lambda x: x),
        ("none", lambda x: x),
    ],
)
def test_global_pools(kind: str, expected: Callable[[Tensor], Tensor]) -> None:
    torch.testing.assert_close(SelectAdaptivePool2d(kind)(IMAGES), expected(IMAGES))


def test_pooling_at_the_same_size_averages_with_what_lies_right_and_below() -> None:
    out = AvgPool2dSame()(torch.ones(1, 1, 2, 2))
    assert out.tolist() == [[[[1.0, 0.5], [0.5, 0.25]]]]


def test_a_classifier_follows_the_pool() -> None:
    _, fc = create_classifier(8, 5, "catavgmax")
    assert (fc.in_features, fc.out_features) == (16, 5)
    assert isinstance(create_classifier(8, 0)[1], nn.Identity)
    with pytest.raises(OptionError, match="needs num_classes=0"):
        create_classifier(8, 5, "")


class Counting(nn.Module):
    """A block that counts its runs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn, self.runs = nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8, momentum=None), 0

    def forward(self, x: Tensor) -> Tensor:
        self.runs += 1
        return self.bn(self.conv(x)).relu()


def test_a_checkpointed_stage_recomputes_and_counts_statistics_once() -> None:
    kept = Stage(Counting(), Counting())
    again = copy.deepcopy(kept)
    again.grad_checkpointing = True
    for stage in (kept, again):
        for _ in range(2):
            stage(IMAGES).square().sum().backward()
    assert (kept[0].runs, again[0].runs) == (2, 4)
    for one, other in zip(kept.parameters(), again.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)
    for one, other in zip(kept.buffers(), again.buffers(), strict=True):
        assert torch.equal(one, other)
    assert again[0].bn.track_running_stats
