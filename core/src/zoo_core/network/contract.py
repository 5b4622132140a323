"""The contract of a network, and what follows from it.

A network of Zoo writes one walk over its stages, `Network.forward_stages`, and its head. Everything
else that reads feature maps (`forward_features`, `forward_intermediates`, the wrappers of
`zoo_core.features`) calls that walk.
"""

# TorchScript compiles these annotations and knows the names of `typing` only. A file with a forward
# imports no annotations from the future: torch.fx copies them, and TorchScript reads no strings.
import warnings
from typing import TYPE_CHECKING, Any, List, Optional, Tuple, Union  # noqa: UP035

import torch
from torch import Tensor, nn

from zoo_core.errors import OptionError
from zoo_core.features.indices import feature_indices
from zoo_core.features.prune import drop_after
from zoo_core.layers.classifier import create_classifier


class Network(nn.Module):
    """Base of the families' networks.

    A subclass names its classifier, sets the other attributes below in its ``__init__``, and writes
    `forward_stages` and `forward_head`. Where layers start otherwise than PyTorch's do, it writes
    `init_module` too, and ends its ``__init__`` with ``self.init_layers()``.

    Attributes:
        classifier_name: of the class: the dotted name of the module that yields the logits,
            ``"head.fc"``. Beside it is the pooling, ``global_pool``, as
            `zoo_core.layers.create_classifier` makes both. A network with another head writes
            `get_classifier` and `reset_classifier` itself.
        num_classes: width of the logits; 0 without a classifier.
        num_features: channels of the last feature map.
        head_hidden_size: width of what `forward_head` returns with ``pre_logits=True``.
        num_stages: how many feature maps the network has: ``len(feature_info)``.
        feature_info: one dict per feature map: ``num_chs`` (channels), ``reduction`` (input size
            over its size), ``module`` (the dotted name of what yields it), and ``layout`` where it
            is not "NCHW": "NHWC", or "NLC" for tokens (`zoo_core.features.layout`).
        num_prefix_tokens: how many tokens (a class token, registers) precede those of the pixels in
            maps of layout "NLC".
        final_norm: the dotted name of the norm that the whole walk ends with; None in a network
            that has none.
        img_size: height and width of the images, in a network that takes no others. Its default
            config says ``fixed_input_size``, and an option ``img_size`` of its configuration or its
            ``__init__`` gets the size in there, or the caller's.
    """

    final_norm: Optional[str] = None  # noqa: UP045 - for TorchScript
    num_prefix_tokens: int = 0

    if TYPE_CHECKING:  # TorchScript would read these annotations, and cannot
        classifier_name: str
        num_classes: int
        num_features: int
        head_hidden_size: int
        num_stages: int
        feature_info: list[dict[str, Any]]

    def forward_stages(self, x: Tensor, taps: List[int], last: int) -> Tuple[Tensor, List[Tensor]]:  # noqa: UP006
        """Walk the network once, collecting feature maps on the way.

        Args:
            x: images, (batch, in_chans, height, width).
            taps: the indices of the feature maps to collect, each once; they come back in ascending
                order.
            last: the last stage to run. ``num_stages`` runs everything, a final norm included.

        Returns:
            The last activation, and the wanted maps, each as its module yields it: (batch,
            channels, height, width), or of the ``layout`` in `feature_info`, tokens with their
            prefix.
        """
        raise NotImplementedError

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Pool the features of `forward_features` and classify, to (batch, num_classes)."""
        raise NotImplementedError

    @torch.jit.ignore
    def get_classifier(self) -> nn.Module:
        """Return the module that yields the logits; `nn.Identity` where there is none."""
        return self.get_submodule(self.classifier_name)

    @torch.jit.ignore
    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Replace the classifier by a fresh one, and the pooling where one is named.

        Args:
            num_classes: width of the logits; 0 for no classifier.
            global_pool: as `zoo_core.layers.create_classifier` takes it; None keeps the kind that
                there is, or takes ``"avg"`` for a classifier where there is none.

        Raises:
            OptionError: as `create_classifier` does; nothing has changed then.
        """
        parent, _, name = self.classifier_name.rpartition(".")
        head: Any = self.get_submodule(parent)
        kind = head.global_pool.pool_type or ("avg" if num_classes else "") if global_pool is None else global_pool
        prefix = getattr(head.global_pool, "num_prefix_tokens", None)
        pool, classifier = create_classifier(self.num_features, num_classes, kind, num_prefix_tokens=prefix)
        head.global_pool = pool.train(self.training)
        setattr(head, name, classifier.to(next(self.parameters())).train(self.training))
        self.num_classes = num_classes
        self.head_hidden_size = self.num_features * pool.feat_mult()

    def forward_features(self, x: Tensor) -> Tensor:
        """Images to the unpooled features, the last activation of the walk."""
        taps: List[int] = []  # noqa: UP006
        return self.forward_stages(x, taps, self.num_stages)[0]

    def forward(self, x: Tensor) -> Tensor:
        """Images (batch, in_chans, height, width) to logits (batch, num_classes)."""
        return self.forward_head(self.forward_features(x))

    @torch.jit.ignore
    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | list[int] | tuple[int, ...] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
        return_prefix_tokens: bool = False,
    ) -> Union[List[Any], Tuple[Tensor, List[Any]]]:  # noqa: UP006, UP007
        """Feature maps, and the final features unless `intermediates_only`.

        Args:
            x: images, (batch, in_chans, height, width).
            indices: which maps, in the order wanted; an int n means the last n, None all.
            norm: apply the final norm: to every map of tokens as wide as the final features, and
                otherwise to the last map. Where the last map is its output already, that is how it
                comes; a network without one (`final_norm` is None) warns that its maps stay as they
                are.
            stop_early: run no stage past the last wanted map, so that the final features are those
                of that stage.
            output_fmt: the layout of the maps: "NCHW", "NHWC" or "NLC".
            intermediates_only: return the maps alone.
            return_prefix_tokens: return tuples of a map and its prefix tokens (batch, tokens,
                channels); of no effect in a network without prefix tokens.

        Raises:
            FeatureError: for an index out of range, or a format that does not exist.
        """
        from zoo_core.features.info import FeatureInfo, feature_table  # most networks only classify
        from zoo_core.features.layout import convert_map

        wanted = feature_indices(indices, self.num_stages)
        taps = sorted(wanted)
        info = FeatureInfo(feature_table(self), taps, output_fmt)
        last = taps[-1] if stop_early else self.num_stages
        if taps[-1] == self.num_stages - 1 and (norm or not intermediates_only):
            last = self.num_stages  # a final norm comes after the last map
        features, maps = self.forward_stages(x, taps, last)
        if norm and self.final_norm is None:
            warnings.warn(f"norm=True changes no map: {type(self).__name__} has no final norm", stacklevel=2)
        elif norm:
            maps = [self._normed(found, info[tap], features) for tap, found in zip(taps, maps, strict=True)]
        if last < self.num_stages and not intermediates_only:
            features = self._normed(features, info[last], features)
        prefix = self.num_prefix_tokens
        tokens = [found[:, :prefix] for found in maps] if return_prefix_tokens and prefix else []
        if conversions := info.conversions(self):
            maps = [convert_map(found, x, how) for found, how in zip(maps, conversions, strict=True)]
        found = list(zip(maps, tokens, strict=True)) if tokens else maps
        ordered = [found[taps.index(index)] for index in wanted]
        return ordered if intermediates_only else (features, ordered)

    def _normed(self, found: Tensor, row: dict[str, Any], features: Tensor) -> Tensor:
        """Return the map of a `feature_info` row with the final norm, where that fits it."""
        if row["index"] == self.num_stages - 1:
            return features  # the norm is the end of the walk, and may lie inside the map's module
        if self.final_norm is None or row["layout"] != "NLC" or row["num_chs"] != self.num_features:
            return found
        normed: Tensor = self.get_submodule(self.final_norm)(found)
        return normed

    @torch.jit.ignore
    def init_weights(self) -> None:
        """Draw every parameter and fill every buffer anew, in place; ends with `init_layers`."""
        for module in self.modules():
            if callable(reset := getattr(module, "reset_parameters", None)):
                reset()
        self.init_layers()

    @torch.jit.ignore
    def init_layers(self) -> None:
        """Initialise layers otherwise than PyTorch does, where the paper says so."""
        for module in _all_modules(self):
            self.init_module(module)

    @torch.jit.ignore
    def init_module(self, module: nn.Module) -> None:
        """Initialise one module otherwise than PyTorch does. For families to override."""

    @torch.jit.ignore
    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute each stage's blocks in the backward pass to save their activations' memory."""
        for module in self.modules():
            if module is not self and hasattr(module, "grad_checkpointing"):
                module.grad_checkpointing = enable  # type: ignore[assignment] # a plain attribute

    @torch.jit.ignore
    def no_weight_decay(self) -> set[str]:
        """Names of parameters that an optimiser should not decay, beyond norms and biases."""
        return set()

    @torch.jit.ignore
    def prune_stages(self, last: int) -> None:
        """Drop every module past the feature map `last`; other networks keep shared containers."""
        drop_after(self, self.feature_info[last]["module"])

    @torch.jit.ignore
    def prune_intermediate_layers(
        self, indices: int | list[int] | tuple[int, ...] = 1, prune_norm: bool = False, prune_head: bool = True
    ) -> list[int]:
        """Drop every module past the last of the maps `indices`; return their indices.

        The final norm and the head come after the maps and are dropped with what precedes them,
        `prune_norm` and `prune_head` or not, when the last stage goes; with every stage kept,
        `prune_head` drops the classifier, and the pooling where the network can be without. A
        network without its head yields its last features, if its walk can do without the rest.
        """
        wanted = feature_indices(indices, self.num_stages)
        if (last := max(wanted)) < self.num_stages - 1 or prune_norm:
            self.prune_stages(last)
            self.num_features = self.head_hidden_size = self.feature_info[last]["num_chs"]
            self.num_classes = 0
            self.__dict__["forward_head"] = _features_alone
        elif prune_head:
            try:
                self.reset_classifier(0, "")
            except OptionError:  # its pooling is its own
                self.reset_classifier(0)
        return wanted


def _features_alone(x: Tensor, pre_logits: bool = False) -> Tensor:
    return x


def _all_modules(net: nn.Module) -> dict[nn.Module, None]:
    """Return what ``net.modules()`` yields, in a quarter of the time: it nests generators."""
    found: dict[nn.Module, None] = {}
    left = [net]
    while left:
        module = left.pop()
        if module not in found:
            found[module] = None
            left.extend(child for child in reversed(module._modules.values()) if child is not None)
    return found
