"""Checks of the contract of a network, most of which `zoo_core.network.Network` fulfils."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from zoo_core.errors import OptionError

from zoo_kit.conformance.check import NotApplicable, check

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo_kit.conformance.subject import Subject

METHODS = (
    "forward_features",
    "forward_head",
    "forward_intermediates",
    "get_classifier",
    "reset_classifier",
    "set_grad_checkpointing",
    "group_matcher",
    "no_weight_decay",
)
NUMBERS = ("num_classes", "num_features", "head_hidden_size")
CLASSES = 4


@check(
    "contract",
    reason="code that takes any network calls these methods and reads these attributes",
    remedy="derive the network from zoo_core.network.Network, and set the attributes that its docstring lists",
    scope="models",
    needs=("constructors",),
)
def contract(subject: Subject, name: str) -> Iterable[str]:
    """The methods and attributes are there, of the right types."""
    net = subject.meta(name)
    for method in METHODS:
        if not callable(getattr(net, method, None)):
            yield f"its network has no method {method}"
    for number in NUMBERS:
        if type(getattr(net, number, None)) is not int:
            yield f"its network's {number} is {getattr(net, number, None)!r}, not an int"
    info = getattr(net, "feature_info", None)
    if not isinstance(info, list) or not info:
        yield f"its network's feature_info is {info!r}, not a list of dicts"
    for cfg in ("default_cfg", "pretrained_cfg"):
        if not isinstance(getattr(net, cfg, None), Mapping):
            yield f"its network's {cfg} is no mapping: build it with zoo_core.build_model_with_cfg"


@check(
    "forward",
    reason="forward is forward_head(forward_features(x)): backbones and heads are used apart",
    remedy="write forward_stages and forward_head, and let Network's forward call them",
    scope="sample",
    needs=("contract", "initialisation"),
)
def forward(subject: Subject, name: str) -> Iterable[str]:
    """Features and head compose to the forward, in the shapes that the attributes promise."""
    net: Any = subject.create(name, num_classes=CLASSES).eval()
    images = subject.images(name)
    with torch.no_grad():
        out, features = net(images), net.forward_features(images)
        hidden, logits = net.forward_head(features, pre_logits=True), net.forward_head(features)
        single = net(images[:1])
    if tuple(out.shape) != (2, CLASSES):
        yield f"a batch of 2 gives {tuple(out.shape)}, not {(2, CLASSES)}"
    elif not torch.equal(logits, out):
        yield "forward(x) differs from forward_head(forward_features(x))"
    elif not torch.allclose(single, out[:1], rtol=1e-3, atol=1e-4):
        yield "in eval mode an image's logits depend on the other images of the batch"
    layout = net.feature_info[-1].get("layout", "NCHW")
    if features.ndim != len(layout) or features.shape[layout.index("C")] != net.num_features:
        yield f"forward_features gives {tuple(features.shape)}, not {layout} with C num_features={net.num_features}"
    if tuple(hidden.shape) != (2, net.head_hidden_size):
        wanted = f"(2, head_hidden_size={net.head_hidden_size})"
        yield f"forward_head(pre_logits=True) gives {tuple(hidden.shape)}, not {wanted}"
    if not out.isfinite().all():
        yield "its logits are not finite"


@check(
    "reset-classifier",
    reason="fine-tuning replaces the classifier of a loaded network",
    remedy="let reset_classifier make a fresh classifier where the network is, and update num_classes",
    scope="sample",
    needs=("contract", "initialisation"),
)
def reset_classifier(subject: Subject, name: str) -> Iterable[str]:
    """The classifier can be replaced, for other classes or none, and the features stay."""
    net: Any = subject.create(name, num_classes=CLASSES).eval()
    images = subject.images(name)
    with torch.no_grad():
        before = net.forward_features(images)
        for count in (CLASSES + 2, 0, CLASSES):
            net.reset_classifier(count)
            width = count or net.head_hidden_size
            if net.num_classes != count:
                yield f"after reset_classifier({count}) its num_classes is {net.num_classes}"
            if tuple(shape := net(images).shape) != (2, width):
                yield f"after reset_classifier({count}) a batch of 2 gives {tuple(shape)}, not {(2, width)}"
            if not any(module is net.get_classifier() for module in net.modules()):
                yield f"after reset_classifier({count}) get_classifier() returns no module of the network"
        if not torch.equal(net.forward_features(images), before):
            yield "reset_classifier changes the features"
    moved = subject.create(name, device="meta")
    moved.reset_classifier(CLASSES + 1)  # type: ignore[operator]
    if any(not parameter.is_meta for parameter in moved.parameters()):
        yield "reset_classifier makes a classifier on the CPU, whatever device the network is on"


@check(
    "training",
    reason="a parameter without a gradient is dead weight, and distributed training stops at it",
    remedy="use every parameter in forward, or do not create it",
    scope="sample",
    needs=("contract", "initialisation"),
)
def training(subject: Subject, name: str) -> Iterable[str]:
    """A step of training gives every parameter a finite gradient."""
    net = subject.create(name, num_classes=CLASSES).train()
    net(subject.images(name)).square().sum().backward()
    unused = [key for key, p in net.named_parameters() if p.requires_grad and p.grad is None]
    if unused:
        yield f"no gradient reaches {', '.join(unused[:4])}{' and others' * (len(unused) > 4)}"
    if bad := [key for key, p in net.named_parameters() if p.grad is not None and not p.grad.isfinite().all()]:
        yield f"the gradient of {bad[0]} is not finite"


@check(
    "checkpointing",
    reason="recomputing activations saves memory, and must change nothing else",
    remedy="put blocks into zoo_core.layers.Stage, or let set_grad_checkpointing(True) raise OptionError",
    scope="smallest",
    needs=("training",),
)
def checkpointing(subject: Subject, name: str) -> Iterable[str]:
    """With gradient checkpointing modules run again, and gradients and statistics stay."""
    kept: Any = subject.create(name, num_classes=CLASSES).train()
    recomputed: Any = copy.deepcopy(kept)
    try:
        recomputed.set_grad_checkpointing(True)
    except (OptionError, NotImplementedError) as error:
        raise NotApplicable(f"it refuses gradient checkpointing: {error}") from error
    again: list[nn.Module] = []
    for net in (kept, recomputed):
        torch.manual_seed(0)
        loss = net(subject.images(name)).square().sum()
        for module in net.modules():
            module.register_forward_hook(lambda module, *_: again.append(module))
        loss.backward()
    if not again:
        yield "set_grad_checkpointing(True) changes nothing: no module runs again for the backward pass"
    for (key, one), other in zip(kept.named_parameters(), recomputed.parameters(), strict=True):
        if not torch.allclose(one.grad, other.grad, rtol=1e-4, atol=1e-6):
            yield f"with gradient checkpointing the gradient of {key} differs"
            break
    for (key, one), other in zip(kept.named_buffers(), recomputed.buffers(), strict=True):
        if not torch.equal(one, other):
            yield f"with gradient checkpointing {key} differs: statistics must be updated once a step"
            break


@check(
    "parameter-groups",
    reason="layer-wise learning rates and weight decay are set by these names",
    remedy="let group_matcher(coarse) return {'stem': regex, 'blocks': regex or [(regex, order)]} of parameter names",
    scope="models",
    needs=("contract",),
)
def parameter_groups(subject: Subject, name: str) -> Iterable[str]:
    """Every pattern of `group_matcher` matches; `no_weight_decay` names existing parameters."""
    net: Any = subject.meta(name)
    keys = [key for key, _ in net.named_parameters()]
    for coarse in (False, True):
        groups = net.group_matcher(coarse=coarse)
        if set(groups) < {"stem", "blocks"}:
            yield f"group_matcher(coarse={coarse}) has {sorted(groups)}, not 'stem' and 'blocks'"
            continue
        for group, patterns in groups.items():
            listed = [patterns] if isinstance(patterns, str) else [pattern for pattern, *_ in patterns]
            if not any(re.match(pattern, key) for pattern in listed for key in keys):
                yield f"group_matcher(coarse={coarse})[{group!r}] matches no parameter"
    if unknown := sorted(set(net.no_weight_decay()) - set(keys)):
        yield f"no_weight_decay names {unknown[0]!r}, which is no parameter"


def first_difference(one: nn.Module, other: nn.Module) -> str:
    """Return the first key at which two state dicts differ; empty if they are equal."""
    left, right = one.state_dict(), other.state_dict()
    if left.keys() != right.keys():
        return f"key {min(left.keys() ^ right.keys())}"
    return next((key for key in left if not torch.equal(left[key], right[key])), "")
