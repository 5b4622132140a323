"""A classifier whose classes are spread over processes, for more than one device can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from torch import nn
from torch.distributed.tensor import Replicate, Shard
from torch.distributed.tensor.parallel import ColwiseParallel, parallelize_module
from zoo_core.errors import OptionError

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh

M = TypeVar("M", bound=nn.Module)


def shard_classifier(net: M, mesh: DeviceMesh) -> M:
    """Spread the classes of a network's classifier over the processes of `mesh`, in place.

    Each process holds and computes its share of the classes, and no process has all logits. The
    loss comes from `torch.distributed.tensor.parallel.loss_parallel`:

        with loss_parallel():
            cross_entropy(net(images), labels).backward()

    Processes of one `mesh` see the same images; over another dimension of the mesh they may differ.

    Args:
        net: a network of Zoo; its other layers stay whole.
        mesh: one dimension of processes.

    Returns:
        `net`.

    Raises:
        OptionError: for a classifier that is no linear layer.
    """
    get: Any = getattr(net, "get_classifier", None)
    classifier = get() if callable(get) else None
    if not isinstance(classifier, nn.Linear):
        raise OptionError(f"the classifier of {type(net).__name__} is no linear layer, whose rows can be spread")
    name = next(name for name, module in net.named_modules() if module is classifier)
    columns = ColwiseParallel(input_layouts=Replicate(), output_layouts=Shard(-1), use_local_output=False)
    parallelize_module(net, mesh, {name: columns})
    return net
