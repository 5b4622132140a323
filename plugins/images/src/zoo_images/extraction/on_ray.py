"""Compute the shards of a run on a Ray cluster: the same bytes, from more machines.

Ray Data does the distribution: one actor for each device, which is started again where it dies, and
is given its shard again. Every node must see the source and the output under the same paths.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from zoo_core.errors import MissingExtraError, ZooError

from zoo_images.extraction.fingerprint import require_same
from zoo_images.extraction.network import FeatureNetwork, NetworkOptions
from zoo_images.extraction.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def compute_on_ray(
    run: Run,
    shards: Sequence[int],
    *,
    actors: int,
    strict: bool = False,
    progress: Callable[[int], object] | None = None,
) -> int:
    """Compute some shards of a run with `actors` at once. Returns how many images that were.

    It uses the cluster that ``ray.init`` or ``RAY_ADDRESS`` names, and else starts one on this
    machine, which ends with the run.

    Raises:
        MissingExtraError: without Ray.
        ZooError: when a shard fails for another reason than the loss of a node.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtraError("the engine 'ray' needs Ray: pip install 'zoo-images[ray]'") from error
    started = not ray.is_initialized()
    if started:
        ray.init(log_to_driver=False, include_dashboard=False)
    on_gpu = torch.device(run.network.options.device).type == "cuda"
    arguments = {
        "source": run.source,
        "options": run.network.options,
        "engine": run.network.optimized,
        "output": run.output,
        "batch_size": run.batch_size,
        "workers": run.workers,
        "decoder": run.decoder,
        "kind": run.files.kind,
        "shard_size": run.images_per_shard,
        "threads": run.network.threads,
        "fingerprint": run.fingerprint,
        "strict": strict,
    }
    done = ray.data.from_items([{"shard": number} for number in shards], override_num_blocks=len(shards)).map_batches(
        ShardActor,
        fn_constructor_kwargs=arguments,
        batch_size=1,
        concurrency=min(actors, len(shards)),
        num_gpus=1 if on_gpu else 0,
        num_cpus=1,
    )
    computed = 0
    try:
        for row in done.iter_rows():
            computed += int(row["images"])
            if progress:
                progress(int(row["images"]))
    except ray.exceptions.RayError as error:
        raise ZooError(f"Ray could not compute a shard: {error}") from error
    finally:
        if started:
            ray.shutdown()
    return computed


class ShardActor:
    """A process of the cluster with a network of its own, which computes whole shards."""

    def __init__(
        self,
        *,
        threads: int,
        fingerprint: dict[str, Any],
        strict: bool,
        options: NetworkOptions,
        engine: str | None,
        **arguments: Any,
    ) -> None:
        """Make the same run on this node.

        Raises:
            OptionError: where this node would compute other numbers: another processor, or other
                versions.
        """
        torch.set_num_threads(threads)  # kernels round by it; Ray allots one
        self.strict = strict
        self.run = Run(network=FeatureNetwork(options, engine), **arguments)
        require_same(fingerprint, self.run.fingerprint, str(self.run.output))

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Compute the shards of a batch of their numbers."""
        return {"images": [self.run.compute([int(number)], strict=self.strict) for number in batch["shard"]]}
