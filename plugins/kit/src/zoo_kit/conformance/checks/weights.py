"""Checks of weights: initial values, the way through files, and weights in the package."""

from __future__ import annotations

import copy
import pickle
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from zoo_core.config import PretrainedCfg

from zoo_kit.conformance.check import NotApplicable, check
from zoo_kit.conformance.checks.network import first_difference
from zoo_kit.conformance.subject import SEED, Subject

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@check(
    "initialisation",
    reason="memory that the constructor does not fill holds arbitrary values",
    remedy="fill the tensors that torch.empty, new_empty or torch.Tensor(size) makes in the constructor",
    scope="sample",
    needs=("constructors",),
)
def initialisation(subject: Subject, name: str) -> Iterable[str]:
    """Every parameter and buffer is initialised, non-persistent ones included."""
    with _poisoned_memory():
        net = subject.create(name)
    for key, tensor in (*net.named_parameters(), *net.named_buffers()):
        unset = not tensor.isfinite().all() if tensor.is_floating_point() else tensor.eq(_largest(tensor.dtype)).any()
        if unset:
            yield f"{key} is not initialised"
    yield from _other_values(subject, name)


def _other_values(subject: Subject, name: str) -> Iterable[str]:
    """Yield a tensor whose initial values differ from those of `init_weights`."""
    family = subject.family(name)
    if family is None or not hasattr(family.network_class, "init_weights"):
        return
    make: Any = family.network_class
    torch.manual_seed(SEED)
    made: Any = make(family.architectures[name])
    drawn: Any = copy.deepcopy(made)
    drawn.init_weights()
    for (key, one), other in zip(made.state_dict().items(), drawn.state_dict().values(), strict=True):
        spreads = [tensor.double().std().item() if tensor.numel() > _ENOUGH else 0.0 for tensor in (one, other)]
        constant = all(tensor.numel() and tensor.eq(tensor.flatten()[0]).all() for tensor in (one, other))
        if max(spreads) > 1.5 * min(spreads) or (constant and not torch.equal(one, other)):
            yield f"{key} starts otherwise than init_weights draws it: call init_weights at the end of __init__"
            return


_ENOUGH = 256
"""Count of numbers from which their spread is a measure of the distribution."""


@contextmanager
def _poisoned_memory() -> Iterator[None]:
    """Make torch fill the memory that it allocates with NaN, or the largest integer."""
    settings: Any = torch.utils.deterministic
    was, fills = torch.are_deterministic_algorithms_enabled(), settings.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    settings.fill_uninitialized_memory = True
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(was)
        settings.fill_uninitialized_memory = fills


def _largest(dtype: torch.dtype) -> Any:
    return True if dtype == torch.bool else torch.iinfo(dtype).max


@check(
    "determinism",
    reason="a seed must give the same network again, and a network in eval mode the same answer",
    remedy="draw from torch's generator alone, in the order of the modules, and nothing in an eval-mode forward",
    scope="sample",
    needs=("initialisation",),
)
def determinism(subject: Subject, name: str) -> Iterable[str]:
    """Same seed, same weights; another seed, other weights; same images, same logits."""
    one, other = subject.create(name).eval(), subject.create(name).eval()
    if key := first_difference(one, other):
        yield f"two networks from the same seed differ in {key}"
    images = subject.images(name)
    with torch.no_grad():
        if not torch.equal(one(images), one(images)):
            yield "the same images give other logits the second time, in eval mode"
    torch.manual_seed(SEED + 1)
    if not first_difference(one, subject.constructor(name)()):
        yield "networks from two seeds are the same"


@check(
    "round-trip",
    reason="training is saved and resumed through files, processes and copies",
    remedy="register what a network needs as parameter or buffer, keep no lambda in it",
    scope="sample",
    needs=("initialisation",),
)
def round_trip(subject: Subject, name: str) -> Iterable[str]:
    """A state dict through a safetensors file, a pickle and a deep copy give the same network."""
    from zoo_core.weights.files.safetensors import tensorfile_of

    net = subject.create(name).eval()
    with torch.no_grad():
        net(subject.images(name))
        for parameter in net.parameters():
            parameter.add_(0.01)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        path.write_bytes(tensorfile_of(net.state_dict()))
        loaded = subject.create(name, checkpoint_path=path).eval()
        other = subject.create(name, checkpoint_path=path, num_classes=3, in_chans=1).eval()
    copies = {"a file": loaded, "a pickle": _unpickled(net), "a deep copy": copy.deepcopy(net)}
    images = subject.images(name)
    with torch.no_grad():
        wanted = net(images)
        for through, found in copies.items():
            if key := first_difference(net, found):
                yield f"through {through}, {key} differs"
            elif not torch.allclose(found(images), wanted, rtol=1e-4, atol=1e-5):
                yield f"through {through}, the logits differ: something that matters is in no parameter or buffer"
        if tuple(shape := other(images[:, :1]).shape) != (2, 3):
            yield f"its weights, loaded for 3 classes and 1 channel, give {tuple(shape)}"


def _unpickled(net: nn.Module) -> nn.Module:
    copied: nn.Module = pickle.loads(pickle.dumps(net))  # noqa: S301 - what was pickled in the same line
    return copied


@check(
    "adaptation",
    reason="weights fit other channels and classes by what first_conv and classifier name",
    remedy="let first_conv and classifier be derived (leave them out of the tables), or name every module that changes",
    scope="sample",
    needs=("constructors",),
)
def adaptation(subject: Subject, name: str) -> Iterable[str]:
    """Other classes change the classifier alone, other channels the first convolution alone."""
    cfg: dict[str, Any] = subject.meta(name).pretrained_cfg  # type: ignore[assignment]
    shapes = {key: value.shape for key, value in subject.meta(name).state_dict().items()}
    for option, value, field in (("num_classes", 3, "classifier"), ("in_chans", 1, "first_conv")):
        named = cfg[field]
        allowed = tuple(f"{module}." for module in ((named,) if isinstance(named, str) else named or ()))
        net = subject.create(name, device="meta", **{option: value})
        for key, tensor in net.state_dict().items():
            if tensor.shape != shapes.get(key) and not key.startswith(allowed):
                yield f"{option}={value} changes {key}, which {field} {named!r} does not name"


@check(
    "shipped-weights",
    reason="weights inside the package are loaded without a network, and verified like any other",
    remedy="correct url and sha256 of the entry (`sha256sum` prints it), and include the file in the wheel",
    needs=("constructors",),
)
def shipped_weights(subject: Subject) -> Iterable[str]:
    """Every tag whose weights lie in the package loads them."""
    shipped = [
        f"{name}.{tag}"
        for name, found in subject.models.items()
        for tag in found.manifest.tags(name)
        if str(found.manifest.configs.get(f"{name}.{tag}", {}).get("url", "")).startswith("package:")
    ]
    if not shipped:
        raise NotApplicable("it ships no weights")
    for name in shipped:
        try:
            net = subject.create(name, pretrained=True).eval()
        except Exception as error:
            yield f"{name}: {' '.join(str(error).split())}"
            continue
        cfg = PretrainedCfg.from_dict(net.pretrained_cfg)  # type: ignore[arg-type]
        size = cfg.input_size
        with torch.no_grad():
            if not net(torch.zeros(1, *size)).isfinite().all():
                yield f"{name}: its weights give logits that are not finite"
        random = subject.create(name)
        if not first_difference(net, random):
            yield f"{name}: pretrained=True gives the weights of pretrained=False"
