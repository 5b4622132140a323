"""``zoo features``: feature maps of image files, as a table, a picture and a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.cli.checkpoint import add_checkpoint_option
from zoo_core.cli.output import print_json, print_table
from zoo_core.cli.parser import add_input_size_option, add_json_option, add_model_argument, examples
from zoo_core.errors import WeightsError, ZooError

if TYPE_CHECKING:
    import argparse

    from zoo_images.feature_maps import Extraction


def add_parser(subparsers: Any) -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "features",
        help="extract feature maps from images",
        description="Extract the feature maps of a model from image files.",
        epilog=examples(
            "zoo features test_resnet photo.png",
            "zoo features test_resnet photo.png --save maps.png",
            "zoo features resnet50 *.jpg --out-indices 3 4 --output maps.safetensors",
            "zoo features resnet50 photo.jpg --random --json",
        ),
    )
    add_model_argument(parser, help="the model, such as resnet50 or resnet50.a1_in1k")
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="image files")
    parser.add_argument(
        "--out-indices", type=int, nargs="+", metavar="I", help="which maps, 0 the largest, -1 the last; default: all"
    )
    parser.add_argument("--save", type=Path, metavar="PICTURE", help="draw the maps beside the images: a .png file")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the maps as tensors: a .safetensors file")
    parser.add_argument("--random", action="store_true", help="random weights, seeded: shapes without a download")
    add_checkpoint_option(parser)
    add_input_size_option(parser)
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Extract the maps, print their table, and save the picture and the tensors if asked to."""
    from zoo_images.feature_maps import extract_maps

    check_output(args.save, ".png")
    check_output(args.output, ".safetensors")
    wanted = {"out_indices": args.out_indices, "random": args.random, "input_size": args.input_size}
    wanted["checkpoint"] = args.checkpoint
    try:
        result = extract_maps(args.name, args.images, **wanted)
    except WeightsError as error:
        raise WeightsError(f"{error}; or try --random, whose maps have the same shapes") from error
    for path, save in ((args.save, save_picture), (args.output, save_tensors)):
        try:
            if path:
                save(path, result)
        except OSError as error:
            raise ZooError(f"cannot write {str(path)!r}: {error.strerror or error}") from error
    rows = [
        {
            "index": index,
            "module": info["module"],
            "channels": maps.shape[1],
            "reduction": info["reduction"],
            "height": maps.shape[2],
            "width": maps.shape[3],
            "mean": round(maps.mean().item(), 4),
            "std": round(maps.std(correction=0).item(), 4),
        }
        for index, info, maps in result.rows()
    ]
    if args.json:
        print_json({"model": result.model, "weights": result.weights, "images": result.images, "maps": rows})
        return 0
    print_table(
        ("map", "module", "channels", "reduction", "size", "mean", "std"),
        [
            (row["index"], row["module"], row["channels"], row["reduction"], size_of(row), row["mean"], row["std"])
            for row in rows
        ],
        title=result.title(),
        drop=("std", "mean", "reduction"),
    )
    for path in filter(None, (args.save, args.output)):
        print(f"wrote {path}")
    return 0


def size_of(row: dict[str, Any]) -> str:
    """Return height and width of a map as text."""
    return f"{row['height']} x {row['width']}"


def check_output(path: Path | None, suffix: str) -> None:
    """Refuse a path that cannot be written to, before the images are read.

    Raises:
        ZooError: for another suffix, or a folder that does not exist.
    """
    if path is None:
        return
    if path.suffix.lower() != suffix:
        raise ZooError(f"cannot write {str(path)!r}: the name of this file must end in {suffix}")
    if not path.parent.is_dir():
        raise ZooError(f"cannot write {str(path)!r}: there is no folder {str(path.parent)!r}")


def save_picture(path: Path, result: Extraction) -> None:
    """Draw the maps beside their images."""
    from zoo_images.picture import Maps, draw_maps

    maps = [Maps(values=maps, module=info["module"], reduction=info["reduction"]) for _, info, maps in result.rows()]
    draw_maps(result.title(), [Path(image).name for image in result.images], result.inputs, maps).save(path)


def save_tensors(path: Path, result: Extraction) -> None:
    """Write each map, (images, channels, height, width), under the name of its module.

    The file's metadata names the model and the images.
    """
    from zoo_core.weights.files.safetensors import tensorfile_of

    tensors = {info["module"]: maps.contiguous() for _, info, maps in result.rows()}
    path.write_bytes(tensorfile_of(tensors, {"model": result.model, "images": json.dumps(result.images)}))
