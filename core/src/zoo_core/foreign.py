"""A network whose modules another class builds, as ``zoo new --from`` writes it around a class that knows no Zoo."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import nn

from zoo_core.errors import OptionError
from zoo_core.layers.stage import Stage
from zoo_core.meta import on_meta
from zoo_core.network import Network

_measured: dict[tuple[type, Any], list[tuple[int, int]]] = {}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """Which of the other class's modules do what, by name."""

    image_size: tuple[int, int]
    """Height and width of images that it takes."""
    first_conv: str
    classifier: str
    """A linear layer."""
    maps: tuple[str, ...]
    """The modules that yield feature maps."""
    parts: tuple[tuple[str, ...], ...]
    """The modules up to each map, those after the last, and those of the head, in the order in which they run."""


class ForeignNetwork(Network):
    """Takes over what another class builds: its modules by their names, so that state dicts fit, and how it draws them.

    A subclass sets `plan`, and writes `forward_stages` and `forward_head` in the terms of those modules.
    The first convolution and the classifier are replaced where other channels or classes are asked for.
    """

    plan: ClassVar[Plan]

    def __init__(self, cfg: Any, build: Callable[[], nn.Module], *, num_classes: int, in_chans: int) -> None:
        """Build the modules and take them over.

        Args:
            cfg: the configuration, the subclass's first argument.
            build: makes the other class's module, for that configuration.
            num_classes: width of the logits; 0 for no classifier.
            in_chans: channels of the images.

        Raises:
            OptionError: for a number that is not one.
        """
        super().__init__()
        if num_classes < 0:
            raise OptionError(f"num_classes {num_classes}: at least 0, which means no classifier")
        self.foreign_cfg = cfg
        self.num_classes, self.in_chans = num_classes, in_chans
        self._take_over(build())
        conv = self.get_submodule(self.plan.first_conv)
        if isinstance(conv, nn.Conv2d) and conv.in_channels != in_chans:
            self._put(self.plan.first_conv, _with_channels(conv, in_chans))
        linear = self.get_submodule(self.plan.classifier)
        assert isinstance(linear, nn.Linear)  # `zoo new` found it
        self.head_hidden_size = linear.in_features
        if linear.out_features != num_classes:
            self._put(self.plan.classifier, _linear(self.head_hidden_size, num_classes))
        if (key := (type(self), cfg)) not in _measured:
            _measured[key] = self._measure()
        self.feature_info = [
            {"num_chs": channels, "reduction": reduction, "module": name}
            for name, (channels, reduction) in zip(self.plan.maps, _measured[key], strict=True)
        ]
        self.num_stages = len(self.plan.maps)
        self.num_features = self.feature_info[-1]["num_chs"]

    def _take_over(self, other: nn.Module) -> None:
        """The other module's children, in the order in which they run, and its own parameters and buffers."""
        order = list(dict.fromkeys(name.partition(".")[0] for part in self.plan.parts for name in part))
        children = {name: child for name, child in other._modules.items() if child is not None}
        for name in [*order, *(name for name in children if name not in order)]:
            child = children[name]
            # A sequence of blocks can be recomputed, see `set_grad_checkpointing`.
            self.add_module(name, _stage(child) if type(child) is nn.Sequential else child)
        for name, parameter in other.named_parameters(recurse=False):
            self.register_parameter(name, parameter)
        for name, buffer in other.named_buffers(recurse=False):
            self.register_buffer(name, buffer, persistent=name not in other._non_persistent_buffers_set)

    def _put(self, name: str, module: nn.Module) -> None:
        parent, _, child = name.rpartition(".")
        setattr(self.get_submodule(parent), child, module)

    def _measure(self) -> list[tuple[int, int]]:
        """Channels and reduction of each map, by a walk on the meta device."""
        was = self.training
        self.eval()
        with on_meta(self), torch.device("meta"), torch.no_grad():
            images = torch.empty(1, self.in_chans, *self.plan.image_size)
            _, maps = self.forward_stages(images, list(range(len(self.plan.maps))), len(self.plan.maps))
        self.train(was)
        return [(found.shape[1], round(self.plan.image_size[0] / found.shape[2])) for found in maps]

    def init_weights(self) -> None:
        """Draw everything anew as the other class does, which only its constructor knows."""
        drawn = self._drawn_anew()
        for mine, fresh in zip(self.modules(), drawn.modules(), strict=True):
            _copy_own(mine, fresh)

    def _drawn_anew(self) -> "ForeignNetwork":
        make: Any = type(self)
        fresh: ForeignNetwork = make(self.foreign_cfg, num_classes=self.num_classes, in_chans=self.in_chans)
        return fresh

    def get_classifier(self) -> nn.Module:
        """The linear layer, or the identity without classes."""
        return self.get_submodule(self.plan.classifier)

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Replace the classifier by a fresh one.

        Raises:
            OptionError: when another pooling is asked for, which the other class decides.
        """
        if global_pool is not None:
            raise OptionError(f"global_pool {global_pool!r}: {type(self).__name__} has a pooling of its own")
        self.num_classes = num_classes
        self._put(self.plan.classifier, _linear(self.head_hidden_size, num_classes).to(next(self.parameters())))

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Regular expressions that order parameters by depth: the part up to the first map, then each part."""
        keys = [key for key, _ in self.named_parameters()]
        patterns = [
            "|".join(rf"{name.replace('.', chr(92) + '.')}\." for name in part) for part in self.plan.parts[:-1]
        ]
        held = [pattern for pattern in patterns if pattern and _matches(pattern, keys)]
        blocks = [(f"^(?:{pattern})", (index,)) for index, pattern in enumerate(held[1:])]
        return {"stem": f"^(?:{held[0]})", "blocks": blocks or f"^(?:{held[0]})"}


def _stage(blocks: nn.Sequential) -> Stage:
    stage = Stage()
    for name, block in blocks._modules.items():  # `named_children` leaves out one that stands there again
        stage.add_module(name, block)
    return stage


def _with_channels(conv: nn.Conv2d, in_chans: int) -> nn.Conv2d:
    fields = ("out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "padding_mode")
    options: dict[str, Any] = {name: getattr(conv, name) for name in fields}
    return nn.Conv2d(in_chans, bias=conv.bias is not None, **options)


def _linear(features: int, num_classes: int) -> nn.Module:
    return nn.Linear(features, num_classes) if num_classes else nn.Identity()


def _copy_own(mine: nn.Module, fresh: nn.Module) -> None:
    with torch.no_grad():
        for name, tensor in (*mine.named_parameters(recurse=False), *mine.named_buffers(recurse=False)):
            tensor.copy_(getattr(fresh, name))


def _matches(pattern: str, keys: list[str]) -> bool:
    return any(re.match(pattern, key) for key in keys)
