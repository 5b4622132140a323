"""Convert a trusted pickle or tar that is refused, once and deliberately, into a file without code.

::

    python -m zoo_core.weights.unpickle checkpoint.pth checkpoint.safetensors

This runs any code in the pickle. Only for files whose maker you trust.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from zoo_core.errors import ZooError


def convert_trusted(source: Path, target: Path, *, use_ema: bool = True) -> int:
    """Unpickle `source`, running its code, and write its tensors; return their number.

    Raises:
        WeightsError: when the pickle holds no state dict.
    """
    import torch

    from zoo_core.weights.files.safetensors import tensorfile_of
    from zoo_core.weights.loading.state_dict import select_state_dict

    loaded = torch.load(source, map_location="cpu", weights_only=False)
    if isinstance(loaded, torch.nn.Module):
        loaded = loaded.state_dict()
    state_dict = select_state_dict(loaded, source, use_ema=use_ema)
    target.write_bytes(tensorfile_of(state_dict))
    return len(state_dict)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m zoo_core.weights.unpickle", description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="a pickle whose maker you trust")
    parser.add_argument("target", type=Path, help="the .safetensors file to write")
    args = parser.parse_args()
    try:
        count = convert_trusted(args.source, args.target)
    except (OSError, ZooError) as error:
        parser.exit(2, f"error: {error}\n")
    sys.stdout.write(f"{args.target}: {count} tensors\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
