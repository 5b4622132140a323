"""Fit a linear classifier on extracted features of the digits, and measure it.

    python examples/linear_probe.py

Writes the digits as PNG files, extracts features of them with `zoo_images.extract`, and fits
scikit-learn's logistic regression on four fifths of them. Needs scikit-learn, zoo-images and a
family with weights inside, such as zoo-resnet.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from zoo_images import extract


def main() -> None:
    """Print the accuracy on held-out digits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="test_resnet.digits", help="a model name (default: %(default)s)")
    parser.add_argument("--output", type=Path, help="where to keep images and features; default: nowhere")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        accuracy = probe(args.model, args.output or Path(temporary))
    print(f"{args.model}: a linear classifier reads {accuracy:.1%} of held-out digits")


def probe(model: str, folder: Path) -> float:
    """Extract, fit, and return the accuracy on a held-out fifth of the digits."""
    write_digits(folder / "digits")
    extract(folder / "digits", model, folder / "features", progress=True)
    table = pq.read_table(folder / "features" / "features")
    vectors = np.stack(table["pooled"].to_numpy())
    labels = np.array([int(Path(path).parts[0]) for path in table["path"].to_pylist()])
    split = train_test_split(vectors, labels, test_size=0.2, random_state=0, stratify=labels)
    train_x, test_x, train_y, test_y = split
    classifier = LogisticRegression(max_iter=2000).fit(train_x, train_y)
    return float(classifier.score(test_x, test_y))


def write_digits(folder: Path) -> None:
    """Write scikit-learn's 1,797 digits as PNG files, a folder for each label."""
    digits = load_digits()
    for number, (image, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        path = folder / str(label) / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 255 / 16).astype(np.uint8)).convert("RGB").save(path)


if __name__ == "__main__":
    main()
