"""The demo of ``make demo``: classify digits, and extract feature maps of digits and a photo.

    python examples/demo.py [--output demo-output]

Everything is offline: the digits and the photo come with scikit-learn, the digits' weights with
zoo-resnet. It runs the command ``zoo`` and prints each command line, so that all of it can be tried
by hand.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from PIL import Image
from sklearn.datasets import load_sample_image
from train_digits import digit_images, split
from zoo_core.cli.main import main as zoo


def main() -> int:
    """Write the images, run the commands, and say what to try next."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="the folder to write to")
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    digits, flower = write_digits(output), output / "flower.jpg"
    Image.fromarray(load_sample_image("flower.jpg")).save(flower, quality=95)

    say("Ten handwritten digits that the weights were not trained on (from scikit-learn):")
    run("classify", "test_resnet.digits", *digits, "--top", "1")
    say("What the network makes of three of them:")
    run("features", "test_resnet.digits", *digits[:3], "--save", output / "digits-maps.png")
    say("The five feature maps of a ResNet-50 of a photo. Its weights are random, as its trained ones are a download;")
    print("the shapes are the same, and random filters find edges too.")
    run("features", "resnet50", flower, "--random", "--save", output / "flower-maps.png")

    say(f"Look at {output / 'digits-maps.png'} and {output / 'flower-maps.png'}. Then try:")
    folder = Path(sys.executable).parent  # where the command is, in an environment that nobody has activated
    here = f"{folder.relative_to(Path.cwd())}/" if folder.is_relative_to(Path.cwd()) else ""
    for line in (
        "zoo list 'resnet*'",
        "zoo info resnet50 --build",
        f"zoo features resnet34 {flower} --out-indices 2 3 4 --random --output {output / 'maps.safetensors'}",
        f"zoo classify resnet50 {flower}      # downloads 100 MB of weights",
        "zoo --help",
    ):
        print(f"  {here}{line}")
    return 0


def write_digits(output: Path) -> list[Path]:
    """Write the first held-out example of each digit as an 8 x 8 PNG file, named for what it is."""
    images, labels = digit_images()
    _, held_out = split()
    first = {labels[index]: index for index in reversed(held_out)}
    paths = []
    for digit, index in sorted(first.items()):
        paths.append(output / f"digit-{digit}.png")
        images[index].save(paths[-1])
    return paths


def run(*words: object) -> None:
    """Show a command line of ``zoo`` and run it; end the demo where it fails."""
    argv = [str(word) for word in words]
    print(f"$ zoo {shlex.join(argv)}\n", flush=True)
    if code := zoo(argv):
        sys.exit(code)


def say(text: str) -> None:
    """A line of explanation, set off from what came before."""
    print(f"\n{text}")


if __name__ == "__main__":
    sys.exit(main())
