"""Layers of PyTorch that the builder copies are as their constructors make them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from zoo_core.building.materialise import building, complete

CONSTRUCTORS = {kind: kind.__init__ for kind in (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)}
TENSORS = ("_parameters", "_buffers")
KINDS = {
    nn.Conv1d: {"in_channels": (4, 6), "out_channels": (4, 8), "kernel_size": (1, 3, (3,))},
    nn.Conv2d: {
        "in_channels": (4, 6),
        "out_channels": (4, 8),
        "kernel_size": (1, 3, (3, 1), [3, 3]),
        "stride": (1, 2, True),
        "padding": (0, 1, "same"),
        "groups": (1, 2),
        "bias": (True, False, 1, 0),
        "padding_mode": ("zeros", "reflect"),
        "dtype": (None, torch.float64),
    },
    nn.Linear: {"in_features": (4, 6), "out_features": (4, 8), "bias": (True, False)},
    nn.BatchNorm2d: {
        "num_features": (4, 6),
        "eps": (1e-5, 1),
        "momentum": (0.1, None, 1, True),
        "affine": (True, False),
        "track_running_stats": (True, False),
    },
    nn.GroupNorm: {"num_groups": (1, 2), "num_channels": (4, 6), "affine": (True, False)},
    nn.LayerNorm: {"normalized_shape": (4, (4, 6), [4]), "bias": (True, False)},
}


@st.composite
def calls(draw: st.DrawFn) -> tuple[Any, dict[str, Any]]:
    kind = draw(st.sampled_from(list(KINDS)))
    needed = ("in_channels", "out_channels", "kernel_size", "in_features", "out_features")
    needed = (*needed, "num_features", "num_groups", "num_channels", "normalized_shape")
    return kind, {
        name: draw(st.sampled_from(values))
        for name, values in KINDS[kind].items()
        if name in needed or draw(st.booleans())
    }


def outcome(make: Callable[[], nn.Module]) -> Any:
    """What comes of a constructor: its error, or all that the layer holds but what it draws."""
    try:
        layer = make()
    except (TypeError, ValueError, RuntimeError) as error:
        return type(error), str(error)
    attributes = [(name, type(value), repr(value)) for name, value in vars(layer).items() if name not in TENSORS]
    constant = isinstance(layer, nn.GroupNorm | nn.LayerNorm | nn.BatchNorm2d)
    return attributes, [(name, looks(one, constant)) for name, one in (layer._parameters | layer._buffers).items()]


def looks(tensor: torch.Tensor | None, constant: bool) -> Any:
    if tensor is None:
        return None
    flags = (type(tensor), tensor.shape, tensor.dtype, tensor.requires_grad, tensor.stride(), tensor.is_leaf)
    return flags, constant and tensor.tolist()


@settings(deadline=None, max_examples=400, derandomize=True)
@given(made=st.lists(calls(), min_size=1, max_size=4), double=st.booleans())
def test_a_copied_layer_is_as_its_constructor_makes_it(made: list[tuple[Any, dict[str, Any]]], double: bool) -> None:
    torch.set_default_dtype(torch.float64 if double else torch.float32)
    try:
        plain = [outcome(lambda kind=kind, options=options: kind(**options)) for kind, options in made]
        for _ in range(2):
            with building():
                built = [outcome(lambda kind=kind, options=options: kind(**options)) for kind, options in made]
            assert built == plain
    finally:
        torch.set_default_dtype(torch.float32)


def drawn(make: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """Build a layer twice under the builder, and return the second, which may be a copy."""
    for _ in range(2):
        torch.manual_seed(seed)
        with building() as deferral:
            make()
            layer = make()
        complete(layer, deferral)
    return layer


def test_copies_share_nothing() -> None:
    with building() as deferral:
        layers = nn.Sequential(*(nn.Conv2d(4, 4, 3) for _ in range(3)), *(nn.BatchNorm2d(4) for _ in range(3)))
    complete(layers, deferral)
    assert len({tensor.data_ptr() for tensor in layers.state_dict().values()}) == len(layers.state_dict())
    assert not torch.equal(layers[1].weight, layers[2].weight)
    for attribute in ("_forward_hooks", "_backward_hooks", "_non_persistent_buffers_set", "_modules"):
        assert getattr(layers[1], attribute) is not getattr(layers[2], attribute)
    layers[4].running_mean.add_(1)
    assert layers[5].running_mean.sum() == 0
    assert nn.BatchNorm2d(4).running_mean.sum() == 0


class Started(nn.Conv2d):
    """One that starts otherwise."""

    def reset_parameters(self) -> None:
        nn.init.constant_(self.weight, 0.5)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class Counted(nn.BatchNorm2d):
    """One that looks at what is registered."""

    def register_buffer(self, name: str, tensor: torch.Tensor | None, persistent: bool = True) -> None:
        super().register_buffer(name, tensor, persistent)
        vars(self).setdefault("seen", []).append(name)


class Strided(nn.Conv2d):
    """One whose stride is a property."""

    @property
    def stride(self) -> tuple[int, ...]:  # type: ignore[override]
        return (7, 7)

    @stride.setter
    def stride(self, value: object) -> None:
        vars(self)["asked"] = value


class Mixin(nn.Module):
    """A class between the layer and `nn.Module`."""

    def __init__(self) -> None:
        super().__init__()
        self.mixed = True


class Mixed(nn.Linear, Mixin):
    """A layer whose constructor calls the mixin's."""


def test_a_subclass_that_changes_how_its_layer_is_made_is_constructed() -> None:
    assert drawn(lambda: Started(4, 4, 3)).weight.unique().tolist() == [0.5]
    assert drawn(lambda: Counted(4)).seen == ["running_mean", "running_var", "num_batches_tracked"]
    strided = drawn(lambda: Strided(4, 4, 3, stride=2))
    assert (strided.stride, strided.asked) == ((7, 7), (2, 2))
    assert drawn(lambda: Mixed(4, 4)).mixed


def test_a_subclass_of_plain_pytorch_keeps_what_it_adds() -> None:
    class Scaled(nn.Conv2d):
        def __init__(self, channels: int, scale: float) -> None:
            super().__init__(channels, channels, 3, bias=False)
            self.scale = scale
            with torch.no_grad():
                self.weight.fill_(scale)

    one, other = drawn(lambda: Scaled(4, 2.0)), drawn(lambda: Scaled(4, 3.0))
    assert (one.weight.unique().item(), one.scale) == (2.0, 2.0)
    assert (other.weight.unique().item(), other.scale) == (3.0, 3.0)


class Scaled(nn.Conv2d):
    """One that has attributes before its layer is made."""

    def __init__(self, scale: float) -> None:
        self.scale = scale
        super().__init__(4, 4, 3)
        self.doubled = 2 * self.scale


def test_what_a_subclass_sets_before_its_layer_is_made_stays_its_own() -> None:
    with building() as deferral:
        layers = nn.Sequential(Scaled(2.0), Scaled(3.0), nn.Conv2d(4, 4, 3))
    complete(layers, deferral)
    assert [(layer.scale, layer.doubled) for layer in layers[:2]] == [(2.0, 4.0), (3.0, 6.0)]
    assert not hasattr(layers[2], "scale")


def test_what_others_do_to_torch_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def conv() -> nn.Module:
        return nn.Conv2d(4, 4, 3)

    def zeros(tensor: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        return nn.init.zeros_(tensor)

    drawn(conv)
    with monkeypatch.context() as patch:
        patch.setattr(nn.init, "kaiming_uniform_", zeros)
        assert not drawn(conv).weight.any()
    with monkeypatch.context() as patch:
        patch.setattr(nn.Conv2d, "reset_parameters", Started.reset_parameters)
        assert drawn(conv).weight.unique().tolist() == [0.5]
    seen = []
    with register_module_parameter_registration_hook(lambda module, name, value: seen.append(name)):
        drawn(conv)
    assert seen == ["weight", "bias"] * 4

    def meta() -> nn.Module:
        with torch.device("meta"):
            return nn.Conv2d(4, 4, 3)

    with building():
        assert conv().weight.device.type == "cpu"
        assert meta().weight.is_meta
        with torch.inference_mode():
            assert conv().weight.is_inference()
    assert drawn(conv).weight.std() > 0.01


def test_the_seed_that_a_constructor_sets_decides() -> None:
    def seeded() -> nn.Module:
        torch.manual_seed(7)
        return nn.Conv2d(4, 4, 3)

    expected = seeded()
    assert torch.equal(drawn(seeded).weight, expected.weight)


def test_torch_is_as_it_was_behind_the_builder() -> None:
    with building(), building():
        pass
    assert {kind: kind.__init__ for kind in CONSTRUCTORS} == CONSTRUCTORS
    with pytest.raises(ZeroDivisionError), building():
        nn.Conv2d(1, 1, 1 // 0)
    assert {kind: kind.__init__ for kind in CONSTRUCTORS} == CONSTRUCTORS

    @wraps(nn.Linear.__init__)
    def theirs(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        CONSTRUCTORS[nn.Linear](self, *args, **kwargs)

    with building():
        nn.Linear.__init__ = theirs  # another library's, which came meanwhile
    try:
        assert nn.Linear.__init__ is theirs
        with building():
            assert nn.Linear(2, 2).weight.shape == (2, 2)
        assert nn.Linear.__init__ is theirs
    finally:
        nn.Linear.__init__ = CONSTRUCTORS[nn.Linear]


def test_other_threads_construct_as_ever() -> None:
    made: list[nn.Module] = []
    drawn(lambda: nn.Conv2d(4, 4, 3))
    with building():
        thread = threading.Thread(target=lambda: made.append(nn.Conv2d(4, 4, 3)))
        thread.start()
        thread.join()
    assert made[0].weight.std() > 0.01
