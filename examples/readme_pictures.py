"""The pictures that the README shows: a digit, and what a network makes of two of them.

    python examples/readme_pictures.py [--output docs/pictures]

The digits come with scikit-learn, and the network was not trained on these; its weights are in
zoo-resnet.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from demo import write_digits
from zoo_images import Maps, draw_maps, extract_maps

MODEL = "test_resnet.digits"
MAPS = (0, 1, 2, 3)
SIDE = 128
"""Of the images: four times that of training, so that the maps are fine enough to look at."""


def main() -> None:
    """Write ``digit-8.png`` and ``feature-maps.png``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("docs/pictures"), help="the folder to write to")
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        digits = write_digits(Path(folder))
        (output / "digit-8.png").write_bytes(digits[8].read_bytes())
        found = extract_maps(MODEL, [digits[3], digits[8]], out_indices=MAPS, input_size=(SIDE, SIDE))
    maps = [Maps(values=values, module=info["module"], reduction=info["reduction"]) for _, info, values in found.rows()]
    picture = draw_maps(f"What {MODEL} sees", ["a three", "an eight"], found.inputs, maps)
    picture.save(output / "feature-maps.png", optimize=True)


if __name__ == "__main__":
    main()
