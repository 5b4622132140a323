"""``zoo classify``: the most probable classes of image files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.cli.checkpoint import add_checkpoint_option, create_with
from zoo_core.cli.output import print_json, print_table
from zoo_core.cli.parser import (
    add_input_size_option,
    add_json_option,
    add_model_argument,
    examples,
    foreign_code,
    positive,
)
from zoo_core.errors import OptionError

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: Any) -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "classify",
        help="classify images",
        description="Classify image files with a pretrained model.",
        epilog=examples(
            "zoo classify test_resnet.digits digit.png",
            "zoo classify resnet50 *.jpg --top 3",
            "zoo classify resnet50 photo.jpg --checkpoint finetuned.safetensors --json",
        ),
    )
    add_model_argument(parser, help="the model, such as test_resnet.digits")
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="image files")
    parser.add_argument("--top", type=positive, default=3, metavar="K", help="how many classes per image (default: 3)")
    add_checkpoint_option(parser)
    add_input_size_option(parser)
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Classify, and print the most probable classes of each image."""
    wanted = {"top": args.top, "input_size": args.input_size, "checkpoint": args.checkpoint}
    results = classify(args.name, args.images, **wanted)
    if args.json:
        print_json({"model": args.name, "images": results})
        return 0
    rows = [
        (result["image"] if rank == 0 else "", each["label"], f"{each['probability']:.1%}")
        for result in results
        for rank, each in enumerate(result["classes"])
    ]
    print_table(("image", "class", "probability"), rows, title=f"{args.name}: most probable classes")
    return 0


def classify(
    name: str,
    images: list[str],
    *,
    top: int,
    input_size: tuple[int, int] | None = None,
    checkpoint: str | None = None,
) -> list[dict[str, Any]]:
    """Return the `top` most probable classes of each image: index, label and probability.

    Raises:
        ZooError: for a model or image that does not exist, or a model without weights or classes.
    """
    import torch
    import zoo_core

    from zoo_images.feature_maps import config_of
    from zoo_images.labels import label_of
    from zoo_images.transform import open_image, transform_image

    opened = [open_image(image) for image in images]  # first, so that a wrong path costs no download
    with foreign_code(f"cannot create {name!r}"):
        net = create_with(name, checkpoint) if checkpoint else zoo_core.create_model(name, pretrained=True)
    net.eval()
    cfg = config_of(net, input_size)
    if not cfg.num_classes:
        raise OptionError(f"the weights of {name!r} have no classes: use `zoo features`")
    results = []
    for path, image in zip(images, opened, strict=True):
        x = transform_image(image, cfg).unsqueeze(0)
        with (
            foreign_code(f"{name!r} cannot take images of {' x '.join(map(str, x.shape[1:]))}"),
            torch.inference_mode(),
        ):
            probabilities = net(x)[0].softmax(dim=0)
        best = probabilities.topk(min(top, len(probabilities)))
        classes = []
        for probability, index in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            label = label_of(cfg, index)
            synset = {"synset": label.synset} if label.synset else {}
            classes.append({"index": index, "label": label.name, **synset, "probability": round(probability, 6)})
        results.append({"image": path, "classes": classes})
    return results
