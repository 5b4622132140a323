"""``zoo extract``: the features of many images, in files."""

from __future__ import annotations

from argparse import BooleanOptionalAction
from typing import TYPE_CHECKING, Any

from zoo_core.cli.checkpoint import add_checkpoint_option
from zoo_core.cli.output import print_json, print_table
from zoo_core.cli.parser import add_input_size_option, add_json_option, examples, positive

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: Any) -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "extract",
        help="extract features of many images into files",
        description="Turn images into feature vectors. A run that was interrupted goes on when it is started again.",
        epilog=examples(
            "zoo extract photos/ --model resnet50.a1_in1k --output features",
            "zoo extract 'shards/*.tar' --model resnet50 --output out --features pooled map3 --workers 8",
            "zoo extract train.parquet --model resnet18 --output out --device cuda --dtype float16",
            "zoo extract photos/ --model test_resnet.digits --output out --preview out.png",
        ),
    )
    parser.add_argument(
        "source",
        nargs="+",
        metavar="SOURCE",
        help="a folder, a glob pattern, image files, a .txt with a path a line, .parquet, .arrow or .tar files",
    )
    parser.add_argument("--model", required=True, metavar="NAME", help="the model, such as resnet50.a1_in1k")
    parser.add_argument("--output", required=True, metavar="FOLDER", help="a new folder, or one begun the same way")
    parser.add_argument(
        "--features",
        nargs="+",
        default=["pooled"],
        metavar="FEATURE",
        help="pooled, pre_logits, map2 (a map's means), map2_whole (the map itself); default: pooled",
    )
    parser.add_argument("--format", default="parquet", metavar="FORMAT", help="parquet (default), safetensors or npy")
    parser.add_argument(
        "--shard-size", type=positive, metavar="N", help="images in a file: what an interruption costs at most"
    )
    parser.add_argument("--batch-size", type=positive, default=32, metavar="N", help="images at once (default: 32)")
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes beside this one that decode, and on a CPU compute too; default: one per core but one",
    )
    parser.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="threads of the CPU on which the network runs; default: 1, unless --workers says what the cores do",
    )
    parser.add_argument("--device", default="cpu", help="where the network runs: cpu (default), cuda, mps")
    parser.add_argument("--dtype", default="float32", help="float32 (default), bfloat16 or float16")
    parser.add_argument(
        "--channels-last",
        action=BooleanOptionalAction,
        default=True,
        help="run the network in that memory format, which mostly is faster (default)",
    )
    parser.add_argument("--optimize", action="store_true", help="look for the fastest way to run it: zoo-inference")
    parser.add_argument(
        "--decoder",
        default="pillow",
        metavar="NAME",
        help="pillow (default); faster, with other pixels: simplejpeg, draft",
    )
    parser.add_argument("--column", metavar="NAME", help="of a table, the column with the encoded images")
    parser.add_argument("--random", action="store_true", help="random weights, seeded: to try without a download")
    parser.add_argument("--strict", action="store_true", help="stop at the first image that cannot be read")
    parser.add_argument("--retry-failed", action="store_true", help="try images that failed before once more")
    parser.add_argument("--preview", metavar="PICTURE", help="draw the images, and a map of their vectors: a .png file")
    parser.add_argument("--engine", default="local", help="local (default), or ray: on a cluster")
    parser.add_argument("--actors", type=positive, default=1, metavar="N", help="of Ray: processes that compute")
    add_checkpoint_option(parser)
    add_input_size_option(parser)
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Extract, and say what came out; 1 when an image failed."""
    from zoo_images.commands.zoo_features import check_output
    from zoo_images.extraction.extract import extract
    from zoo_images.extraction.memory import keep_freed_memory

    keep_freed_memory()
    preview = None
    if args.preview:
        from pathlib import Path

        preview = Path(args.preview)
        check_output(preview, ".png")
    summary = extract(
        args.source[0] if len(args.source) == 1 else args.source,
        args.model,
        args.output,
        features=args.features,
        format=args.format,
        batch_size=args.batch_size,
        shard_size=args.shard_size,
        workers=_cores() if args.workers is None else args.workers,
        device=args.device,
        dtype=args.dtype,
        channels_last=args.channels_last,
        optimize=args.optimize,
        decoder=args.decoder,
        input_size=args.input_size,
        random=args.random,
        checkpoint=args.checkpoint,
        threads=args.threads or (1 if args.workers is None else None),
        column=args.column,
        strict=args.strict,
        retry_failed=args.retry_failed,
        engine=args.engine,
        actors=args.actors,
        progress=not args.json,
    )
    if preview:
        from zoo_images.overview import draw_overview

        draw_overview(summary.output).save(preview)
    if args.json:
        print_json({**vars(summary), "shapes": {name: list(shape) for name, shape in summary.shapes.items()}})
    else:
        rows = [(name, " x ".join(map(str, shape))) for name, shape in summary.shapes.items()]
        print_table(("feature", "values of an image"), rows, title=f"{summary.images:,} images to {summary.output}")
        if pixels := summary.decoder.get("pixels"):
            print(
                f"decoder {args.decoder}: in {pixels['compared']} of the images {pixels['share_differing']:.2%} of the "
                f"pixels differ from Pillow's, by {pixels['largest_difference']} levels at the most"
            )
        if summary.failed:
            print(f"{summary.failed:,} images failed: their reasons are in {summary.output}/failures.parquet")
        if preview:
            print(f"wrote {preview}")
    return int(summary.failed > 0)


def _cores() -> int:
    """Processes beside this one that keep all cores busy."""
    import os

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, 16) - 1)
