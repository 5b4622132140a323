"""A network whose modules another class builds, which knows no Zoo; see ``zoo new --from``."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from zoo_core.errors import OptionError
from zoo_core.features.prune import drop_child, own_child
from zoo_core.layers.stage import Stage, checkpoint_block
from zoo_core.network.contract import Network
from zoo_core.network.meta import on_meta

_measured: dict[tuple[type, Any], list[tuple[int, int]]] = {}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """The parts that the other class's modules play, by name."""

    image_size: tuple[int, int]
    """Height and width of its images, in pixels."""
    first_conv: str
    classifier: str
    """A linear layer."""
    maps: tuple[str, ...]
    """The modules that yield feature maps."""
    parts: tuple[tuple[str, ...], ...]
    """The modules up to each map, those after the last, and those of the head, each in the order
    of the forward."""
    layouts: tuple[tuple[str, int, int], ...] = ()
    """For each map "NCHW", "NHWC" or "NLC", its height and width; empty where all are NCHW."""
    num_prefix_tokens: int = 0
    """Class tokens and the like before those of the pixels, where maps are NLC."""


class ForeignNetwork(Network):
    """A network of the modules that another class builds, under their names in state dicts.

    A subclass sets `plan`, and writes `forward_stages` and `forward_head` in the terms of those
    modules. The first convolution and the classifier are replaced for other channels or classes.
    """

    plan: ClassVar[Plan]

    def __init__(self, cfg: Any, build: Callable[[], nn.Module], *, num_classes: int, in_chans: int) -> None:
        """Build the modules and take them over.

        Args:
            cfg: the configuration, the subclass's first argument.
            build: returns the other class's module, for that configuration.
            num_classes: width of the logits; 0 for no classifier.
            in_chans: channels of the images.

        Raises:
            OptionError: for a negative number of classes.
        """
        super().__init__()
        if num_classes < 0:
            raise OptionError(f"num_classes {num_classes}: at least 0, which means no classifier")
        self.foreign_cfg = cfg
        self.num_classes, self.in_chans = num_classes, in_chans
        self._take_over(build())
        self.num_prefix_tokens = self.plan.num_prefix_tokens
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
            {"num_chs": channels, "reduction": reduction, "module": name, "layout": layout}
            for name, (layout, *_), (channels, reduction) in zip(
                self.plan.maps, self._layouts(), _measured[key], strict=True
            )
        ]
        self.num_stages = len(self.plan.maps)
        self.num_features = self.feature_info[-1]["num_chs"]

    def _take_over(self, other: nn.Module) -> None:
        """Register the other module's children, in the forward's order, and its own tensors."""
        order = list(dict.fromkeys(name.partition(".")[0] for part in self.plan.parts for name in part))
        children = {name: child for name, child in other._modules.items() if child is not None}
        for name in [*order, *(name for name in children if name not in order)]:
            self.add_module(name, children[name])
        for name, parameter in other.named_parameters(recurse=False):
            self.register_parameter(name, parameter)
        for name, buffer in other.named_buffers(recurse=False):
            self.register_buffer(name, buffer, persistent=name not in other._non_persistent_buffers_set)

        for name in {name for part in self.plan.parts for name in part}:
            module = self.get_submodule(name)
            if hasattr(first := _first(module), "inplace"):
                first.inplace = False  # type: ignore[assignment] # it would change the map that has just been yielded
            # A sequence that runs as a whole can be recomputed, see `set_grad_checkpointing`.
            if type(module) is nn.Sequential:
                self._put(name, _stage(module))

    def _layouts(self) -> tuple[tuple[str, int, int], ...]:
        return self.plan.layouts or (("NCHW", 0, 0),) * len(self.plan.maps)

    def _put(self, name: str, module: nn.Module) -> None:
        parent, _, child = name.rpartition(".")
        setattr(self.get_submodule(parent), child, module)

    def _measure(self) -> list[tuple[int, int]]:
        """Return channels and reduction of each map, from a walk on the meta device."""
        was = self.training
        self.eval()
        with on_meta(self), torch.device("meta"), torch.no_grad():
            images = torch.empty(1, self.in_chans, *self.plan.image_size)
            _, maps = self.forward_stages(images, list(range(len(self.plan.maps))), len(self.plan.maps))
        self.train(was)
        sizes = []
        for (layout, height, _), found in zip(self._layouts(), maps, strict=True):
            rows = height if layout == "NLC" else found.shape[layout.index("H")]
            sizes.append((found.shape[layout.index("C")], round(self.plan.image_size[0] / rows)))
        return sizes

    def init_weights(self) -> None:
        """Draw everything anew as the other class does, which only its constructor knows."""
        make: Any = type(self)
        drawn = make(self.foreign_cfg, num_classes=self.num_classes, in_chans=self.in_chans)
        with torch.no_grad():
            for mine, fresh in zip(_tensors(self), _tensors(drawn), strict=True):
                mine.copy_(fresh)

    @torch.jit.ignore
    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute the sequences of modules in the backward pass.

        Raises:
            OptionError: when the other class has none.
        """
        if enable and not any(isinstance(module, Stage) for module in self.modules()):
            raise OptionError(f"{type(self).__name__} cannot recompute activations: it has no nn.Sequential of blocks")
        super().set_grad_checkpointing(enable)

    @torch.jit.ignore
    def prune_stages(self, last: int) -> None:
        """See `Network.prune_stages`. The other class may have registered modules in any order."""
        parts = self.plan.parts
        kept = {name for part in parts[: last + 1] for name in part}
        later = {name for part in parts[last + 1 :] for name in part} - kept
        for name in {*self._modules} - {name.partition(".")[0] for name in kept}:
            drop_child(self, name)
        for name in later:
            _drop(self, name)

    def get_classifier(self) -> nn.Module:
        """Return the linear layer, or the identity without classes."""
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
        """Regular expressions that order parameters by depth: one for the parts up to each map."""
        keys = [key for key, _ in self.named_parameters()]
        patterns = ["|".join(re.escape(f"{name}.") for name in part) for part in self.plan.parts[:-1]]
        held = [pattern for pattern in patterns if pattern and any(re.match(pattern, key) for key in keys)]
        blocks = [(f"^(?:{pattern})", (index,)) for index, pattern in enumerate(held[1:])]
        return {"stem": f"^(?:{held[0]})", "blocks": blocks or f"^(?:{held[0]})"}


class _Whole(Stage):
    """A stage that is recomputed as one, for layers that work in place on others' activations."""

    @torch.jit.unused
    def _forward_checkpointed(self, x: Tensor) -> Tensor:
        out: Tensor = checkpoint_block(self, x, self._run)
        return out

    @torch.jit.unused
    def _run(self, x: Tensor) -> Tensor:
        for block in self:
            x = block(x)
        return x


def _stage(blocks: nn.Sequential) -> Stage:
    stage = Stage() if all(any(block.children()) for block in blocks) else _Whole()
    for name, block in blocks._modules.items():  # `named_children` leaves out one that stands there again
        stage.add_module(name, block)
    return stage


def _drop(root: nn.Module, path: str) -> None:
    """Drop the module `path`, if it is there, from containers that `root` alone owns."""
    name, _, rest = path.partition(".")
    if root._modules.get(name) is None:
        return
    if rest:
        _drop(own_child(root, name), rest)
    elif isinstance(root, nn.Sequential | nn.ModuleList):
        root._modules[name] = nn.Identity()  # the others keep their indices
    else:
        drop_child(root, name)


def _first(module: nn.Module) -> nn.Module:
    """Return the module that sees the input of a sequence first."""
    while isinstance(module, nn.Sequential) and len(module):
        module = module[0]
    return module


def _with_channels(conv: nn.Conv2d, in_chans: int) -> nn.Conv2d:
    fields = ("out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "padding_mode")
    options: dict[str, Any] = {name: getattr(conv, name) for name in fields}
    return nn.Conv2d(in_chans, bias=conv.bias is not None, **options)


def _linear(features: int, num_classes: int) -> nn.Module:
    return nn.Linear(features, num_classes) if num_classes else nn.Identity()


def _tensors(net: nn.Module) -> list[Tensor]:
    return [*net.parameters(), *net.buffers()]
