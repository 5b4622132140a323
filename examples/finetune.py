"""Fine-tune a model on a folder of images: a head first, then everything.

    python examples/finetune.py digits                             # scikit-learn's, about a minute
    python examples/finetune.py photos --model resnet50.a1_in1k    # any folder, any model

The folder has a folder of images for each class, or two such folders, ``train`` and ``val``. In
``--output`` land a checkpoint of each epoch, the curve (``history.json``), a picture of who was
taken for whom (``confusion.png``), and the model, for ``create_model("local-dir:.../model")``. A
run that was stopped, or killed, goes on from its checkpoint and ends with the same numbers.

A model with weights, named with its tag, learns in two stages: a fresh classifier alone, then
everything, the lower layers more slowly. One without weights learns everything at once. Needs
zoo-images, the plugin of the model, and scikit-learn for the digits.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import torch
import zoo_core as zoo
from PIL import Image, ImageDraw
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm
from zoo_core.errors import ZooError
from zoo_images import create_transform, open_image

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
MOST_KEPT = 512 * 2**20
"""Bytes of decoded images that are kept in memory; a larger folder is decoded in each epoch."""


@dataclasses.dataclass(frozen=True)
class Options:
    """What decides the result."""

    data: str
    model: str
    size: int
    head_epochs: int
    epochs: int
    batch: int
    lr: float
    weight_decay: float
    layer_decay: float
    flip: bool
    seed: int


@dataclasses.dataclass
class Stage:
    """A stretch of training with an optimiser, a schedule and an average of its own."""

    name: str
    epochs: int
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    average: Any

    def parts(self) -> dict[str, Any]:
        """What a checkpoint holds beside the network."""
        return {"optimiser": self.optimiser, "schedule": self.schedule, "average": self.average}


class Images(Dataset[tuple[Tensor, int]]):
    """Files as a network's input, with their classes; kept in memory where they are few."""

    def __init__(self, files: list[tuple[Path, int]], transform: Any, size: int) -> None:
        self.files, self.transform = files, transform
        self.kept: dict[int, Tensor] | None = {} if len(files) * size * size * 12 < MOST_KEPT else None

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        path, label = self.files[index]
        if self.kept is None:
            return self.transform(open_image(path)), label
        if index not in self.kept:
            self.kept[index] = self.transform(open_image(path))
        return self.kept[index], label


def main() -> int:
    """Train, and say what came out."""
    try:
        args, options = parse()
        if args.threads:
            torch.set_num_threads(args.threads)
        report = finetune(options, args.output, torch.device(args.device), args.workers)
    except (OSError, ValueError, ZooError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{report['accuracy']:.2%} of {report['images']} held-out images right; the model: {report['model']}")
    return 0


def parse() -> tuple[argparse.Namespace, Options]:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cuda = torch.cuda.is_available()
    parser.add_argument("data", help="a folder of images, or 'digits'")
    parser.add_argument("--model", default="test_resnet", help="architecture[.tag] (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("finetuned"), help="a folder (default: %(default)s)")
    parser.add_argument("--size", type=int, help="height and width in pixels (default: the model's; digits: 32)")
    parser.add_argument("--head-epochs", type=int, default=3, help="of the classifier alone (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=12, help="of everything (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=4e-3, help="peak rate of the classifier (default: %(default)s)")
    parser.add_argument("--weight-decay", type=float, default=0.05)
    parser.add_argument("--layer-decay", type=float, default=0.8, help="of the rate, a layer down; with weights only")
    parser.add_argument("--flip", action="store_true", help="mirror every second image")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if cuda else "cpu")
    parser.add_argument("--workers", type=int, default=0, help="processes that decode images (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="threads that compute (default: PyTorch's)")
    args = parser.parse_args()
    if args.size is None:
        if ":" in args.model:
            parser.error(f"give --size, the height and width of the images for {args.model}")
        cfg = zoo.get_pretrained_cfg(args.model)
        args.size = 32 if args.data == "digits" or cfg is None else cfg.input_size[-1]
    return args, Options(**{field.name: getattr(args, field.name) for field in dataclasses.fields(Options)})


def finetune(options: Options, output: Path, device: torch.device, workers: int = 0) -> dict[str, Any]:
    """Train from the beginning or the last checkpoint, and write everything into `output`."""
    output.mkdir(parents=True, exist_ok=True)
    train_files, held_out_files, names = find_images(options, output)
    torch.manual_seed(options.seed)
    net = zoo.create_model(options.model, pretrained=has_weights(options), num_classes=len(names)).to(device)
    transform = create_transform(net, input_size=options.size)
    train, held_out = (Images(files, transform, options.size) for files in (train_files, held_out_files))
    accuracy, best = fit(net, train, held_out, options, output, workers)

    draw_confusion(confusion(best, held_out, len(names), workers), names, output / "confusion.png")
    folder = output / "model"
    metrics = {"accuracy": round(accuracy, 4)}
    zoo.save_for_hub(best, folder, label_names=names, input_size=(options.size,) * 2, metrics=metrics)
    again = zoo.create_model(f"local-dir:{folder}", pretrained=True).to(device).eval()
    assert share_right(confusion(again, held_out, len(names), workers)) == accuracy, "the saved model is another"
    return {"accuracy": accuracy, "images": len(held_out), "model": folder}


def has_weights(options: Options) -> bool:
    """Whether the name has a tag, which says which weights."""
    return bool(zoo.split_model_name_tag(options.model)[1]) or ":" in options.model


def fit(
    net: nn.Module, train: Images, held_out: Images, options: Options, output: Path, workers: int
) -> tuple[float, nn.Module]:
    """Run the stages; return the accuracy on held-out images and the averaged model."""
    steps = max(1, len(train) // options.batch)
    plan = [("head", options.head_epochs)] * has_weights(options) + [("all", options.epochs)]
    plan = [(name, epochs) for name, epochs in plan if epochs]
    checkpoint = output / "checkpoint.pt"
    done, history = 0, []
    saved = read_checkpoint(checkpoint, options)
    if saved:
        done, history = saved["epoch"], saved["history"]
        print(f"going on after epoch {done} of {checkpoint}", file=sys.stderr)
    first = 0
    for name, epochs in plan:
        if first + epochs >= done:  # a stage before it has left nothing but the network
            stage = begin(net, name, epochs, steps, options)
            if saved and done > first:
                restore(net, stage, saved)
            for epoch in range(max(first, done), first + epochs):
                loss = run_epoch(net, stage, train, options, epoch, workers)
                accuracy = share_right(confusion(stage.average.module, held_out, net.num_classes, workers))
                history.append({"stage": name, "epoch": epoch + 1, "loss": loss, "accuracy": accuracy})
                write_checkpoint(checkpoint, net, stage, options, epoch + 1, history)
                write(output / "history.json", json.dumps(history, indent=1).encode())
                print(f"{name:5s} epoch {epoch + 1:3d}  loss {loss:.4f}  accuracy {accuracy:.2%}", flush=True)
        first += epochs
    return history[-1]["accuracy"], stage.average.module


def begin(net: nn.Module, name: str, epochs: int, steps: int, options: Options) -> Stage:
    """Freeze or unfreeze, and make the optimiser of what learns."""
    (zoo.freeze if name == "head" else zoo.unfreeze)(net)
    decay = options.layer_decay if has_weights(options) and name == "all" else None
    groups = zoo.parameter_groups(net, options.lr, options.weight_decay, layer_decay=decay)
    optimiser = torch.optim.AdamW(groups)
    peaks = [group["lr"] for group in groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, peaks, total_steps=epochs * steps)
    return Stage(name, epochs, optimiser, schedule, zoo.average_model(net, 0.99, warm_up=2 / 3))


def run_epoch(net: nn.Module, stage: Stage, train: Images, options: Options, epoch: int, workers: int) -> float:
    """Show every image once, and return the mean loss.

    Everything random follows from the seed and the step's number, so a resumed run draws the same.
    """
    device = next(net.parameters()).device
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(options.seed * 100_003 + epoch))
    batches = [batch.tolist() for batch in order.split(options.batch)]
    if len(batches) > 1 and len(batches[-1]) < options.batch:
        batches.pop()  # batch norm wants enough images, and the order changes every time
    total = 0.0
    net.train()
    loader = DataLoader(train, batch_sampler=batches, num_workers=workers)  # type: ignore[arg-type]
    for step, (images, labels) in enumerate(tqdm(loader, desc=f"{stage.name} {epoch + 1}", leave=False, disable=None)):
        torch.manual_seed((options.seed * 100_003 + epoch) * 100_003 + step)
        inputs = moved(images, options.flip).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            logits = net(inputs)
        loss = functional.cross_entropy(logits.float(), labels.to(device), label_smoothing=0.1)
        stage.optimiser.zero_grad()
        loss.backward()
        stage.optimiser.step()
        stage.schedule.step()
        stage.average.update_parameters(net)
        total += loss.item()
    return total / len(batches)


def moved(images: Tensor, flip: bool) -> Tensor:
    """Shift each image (batch, channels, height, width) by up to a tenth of its side."""
    height, width = images.shape[-2:]
    reach = max(1, height // 10)
    padded = functional.pad(images, [reach] * 4, mode="replicate")
    corners = torch.randint(0, 2 * reach + 1, (len(images), 2)).tolist()
    cut = torch.stack([image[:, y : y + height, x : x + width] for image, (y, x) in zip(padded, corners, strict=True)])
    return torch.where((torch.rand(len(cut), 1, 1, 1) < 0.5), cut.flip(3), cut) if flip else cut


@torch.inference_mode()
def confusion(net: nn.Module, images: Images, classes: int, workers: int) -> Tensor:
    """Count images: (true class, predicted class)."""
    device = next(net.parameters()).device
    counts = torch.zeros(classes, classes, dtype=torch.int64)
    net.eval()
    for inputs, labels in DataLoader(images, batch_size=128, num_workers=workers):
        predicted = net(inputs.to(device)).argmax(dim=1).cpu()
        counts.index_put_((labels, predicted), torch.ones(len(labels), dtype=torch.int64), accumulate=True)
    return counts


def share_right(counts: Tensor) -> float:
    """The share of the images on the diagonal."""
    return float(counts.diagonal().sum()) / float(counts.sum())


def write_checkpoint(
    path: Path, net: nn.Module, stage: Stage, options: Options, epoch: int, history: list[dict[str, Any]]
) -> None:
    """Replace the checkpoint as a whole, so that a kill at any time leaves one."""
    state: dict[str, Any] = {"options": dataclasses.asdict(options), "epoch": epoch, "history": history}
    state |= {"net": net.state_dict(), "stage": stage.name}
    state |= {name: part.state_dict() for name, part in stage.parts().items()}
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


def write(path: Path, content: bytes) -> None:
    """Replace a file as a whole."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


def read_checkpoint(path: Path, options: Options) -> dict[str, Any] | None:
    """The checkpoint of these options; None where there is none."""
    if not path.exists():
        return None
    saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if saved["options"] != dataclasses.asdict(options):
        raise ValueError(f"{path} is of a run with other options: name another --output, or remove it")
    return saved


def restore(net: nn.Module, stage: Stage, saved: dict[str, Any]) -> None:
    """Bring the network to the checkpoint, and the stage where it is the same one."""
    net.load_state_dict(saved["net"])
    if stage.name == saved["stage"]:
        for name, part in stage.parts().items():
            part.load_state_dict(saved[name])


def find_images(options: Options, output: Path) -> tuple[list[tuple[Path, int]], list[tuple[Path, int]], list[str]]:
    """Find the images to train on, those held out (a fifth where no folder says), the classes."""
    root = write_digits(output / "digits") if options.data == "digits" else Path(options.data)
    parts = [root / "train", root / "val"] if (root / "train").is_dir() and (root / "val").is_dir() else [root]
    names = sorted(path.name for path in parts[0].iterdir() if path.is_dir()) if parts[0].is_dir() else []
    found = [
        [(path, label) for label, name in enumerate(names) for path in sorted((part / name).glob("*"))]
        for part in parts
    ]
    found = [[(path, label) for path, label in files if path.suffix.lower() in SUFFIXES] for files in found]
    if len(names) < 2 or not all(found):
        raise ValueError(f"{root} has no images of two or more classes: it needs a folder of images for each")
    if len(found) == 1:
        order = torch.randperm(len(found[0]), generator=torch.Generator().manual_seed(options.seed)).tolist()
        by_class = sorted(order, key=lambda index: found[0][index][1])  # stable: random within a class
        held = {index for place, index in enumerate(by_class) if place % 5 == 0}
        found = [[file for index, file in enumerate(found[0]) if (index in held) == out] for out in (False, True)]
    return found[0], found[1], names


def write_digits(folder: Path) -> Path:
    """Write scikit-learn's 1,797 digits as PNG files, and return their folder.

    The held-out fifth is the one that weights with the tag ``digits`` have never seen either.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    if folder.exists():
        return folder
    digits = load_digits()
    train, _ = train_test_split(range(len(digits.target)), test_size=0.2, stratify=digits.target, random_state=0)
    part = folder.with_suffix(".part")
    for number, (image, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        path = part / ("train" if number in set(train) else "val") / str(label) / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 255 / 16).round().astype("uint8")).save(path)
    part.rename(folder)
    return folder


def draw_confusion(counts: Tensor, names: list[str], path: Path) -> None:
    """Draw who (rows) was taken for whom (columns); darker is a larger share of its row."""
    cell, margin = 32, 16 + 7 * max(len(name) for name in names)
    side = margin + cell * len(names)
    picture = Image.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(picture)
    shares = counts / counts.sum(dim=1, keepdim=True).clamp(min=1)
    for row, name in enumerate(names):
        draw.text((4, margin + cell * row + 10), name, fill="black")
        draw.text((margin + cell * row + 10, margin - 14), name[:4], fill="black")
        for column in range(len(names)):
            left, top = margin + cell * column, margin + cell * row
            share, wrong = float(shares[row, column]), row != column
            pale = 255 - int(200 * share**0.5)
            colour = (255, pale, pale) if wrong else (pale, pale, 255)
            draw.rectangle((left, top, left + cell - 2, top + cell - 2), fill=colour)
            if count := int(counts[row, column]):
                draw.text((left + 5, top + 10), str(count), fill="white" if share > 0.5 else "black")
    picture.save(path)


if __name__ == "__main__":
    sys.exit(main())
