"""``zoo bench``: how fast models are on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.cli.output import format_bytes, print_json, print_table
from zoo_core.cli.parser import add_json_option, add_model_argument, examples, foreign_code, parse_size, positive
from zoo_core.errors import OptionError

if TYPE_CHECKING:
    import argparse

    from zoo_inference.benchmark import Measurement


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "bench",
        help="measure how fast models are",
        description="Measure models on this machine, in turns with a peer or with their optimised selves. Weights are "
        "random: they do not change the speed.",
        epilog=examples(
            "zoo bench resnet50 densenet121 --batch-size 1 8",
            "zoo bench resnet50 --compare timm --train --fail-below 0.97",
            "zoo bench resnet50 --optimize torch --input-size 224 320 --json",
        ),
    )
    add_model_argument(parser, dest="names", nargs="+", help="models, such as resnet50")
    parser.add_argument(
        "--batch-size", type=positive, nargs="+", default=[1], metavar="N", help="batch sizes (default: 1)"
    )
    parser.add_argument(
        "--input-size",
        type=parse_size,
        nargs="+",
        default=[],
        metavar="SIZE",
        help="pixels, 320 or 320x480 (height x width); default: the config's",
    )
    parser.add_argument("--train", action="store_true", help="measure a forward and backward pass too")
    parser.add_argument("--compare", metavar="PEER", help="measure timm's network of the same name beside it")
    parser.add_argument(
        "--optimize",
        nargs="*",
        metavar="NAME",
        help="measure the optimised model beside it; with names: of these backends alone",
    )
    parser.add_argument("--budget", type=float, default=60.0, metavar="S", help="seconds of a search (default: 60)")
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S", help="for each comparison (default: 5)")
    parser.add_argument("--threads", type=positive, metavar="N", help="threads to compute on; default: PyTorch's own")
    parser.add_argument("--device", default="cpu", help="where the networks run: cpu (default), cuda")
    parser.add_argument(
        "--fail-below", type=float, metavar="RATIO", help="exit with 1 if a model is less than RATIO times as fast"
    )
    parser.add_argument("--plot", type=Path, metavar="PICTURE", help="draw the throughput: a .png or .svg file")
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    import torch

    from zoo_inference.benchmark import bench
    from zoo_inference.machine import fingerprint

    if args.fail_below is not None and args.compare is None and args.optimize is None:
        raise OptionError("--fail-below needs something to be compared with: --compare timm, or --optimize")
    if args.plot and (args.plot.suffix not in (".png", ".svg") or not args.plot.parent.is_dir()):
        raise OptionError(f"cannot draw {str(args.plot)!r}: expected a .png or .svg file in a folder that exists")
    if args.threads:
        torch.set_num_threads(args.threads)
    rows: list[Measurement] = []
    for name in args.names:
        with foreign_code(f"cannot measure {name!r}"):
            rows += bench(
                name,
                batches=args.batch_size,
                sizes=args.input_size,
                training=args.train,
                compare=args.compare,
                optimize=_backends(args.optimize),
                budget_s=args.budget,
                device=args.device,
                seconds=args.seconds,
                progress=not args.json,
            )
    missed = [row for row in rows if args.fail_below is not None and row.ratio and row.ratio.median < args.fail_below]
    if args.plot:
        from zoo_inference.plot import plot

        plot(rows, args.plot)
    if args.json:
        machine = fingerprint(args.device)
        print_json({"machine": machine, "rows": [row.to_dict() for row in rows], "missed": len(missed)})
        return int(bool(missed))
    print_table(COLUMNS, [_cells(row) for row in rows], title=_title(fingerprint(args.device)), drop=LEAST_IMPORTANT)
    for row in missed:
        print(f"missed: {row.model}, {row.contestant}, {row.mode}, batch {row.batch}: less than {args.fail_below:g}")
    return int(bool(missed))


COLUMNS = (
    "model",
    "contestant",
    "mode",
    "batch",
    "size",
    "ms",
    "half of the runs",
    "images/s",
    "times faster",
    "peak",
    "parameters",
    "multiply-adds",
    "activations",
)
LEAST_IMPORTANT = (
    *("activations", "multiply-adds", "parameters", "peak", "half of the runs", "size", "mode", "batch", "ms"),
    *("images/s", "times faster"),
)
"""Columns that a narrow terminal goes without, in this order."""


def _backends(words: list[str] | None) -> bool | str | list[str]:
    if words is None:
        return False
    return (words[0] if words in (["auto"], ["torch"]) else words) if words else True


def _cells(row: Measurement) -> tuple[object, ...]:
    time, ratio = row.milliseconds, row.ratio
    return (
        row.model,
        f"{row.contestant} ({row.engine})" if row.engine else row.contestant,
        row.mode,
        row.batch,
        f"{row.size[0]} x {row.size[1]}",
        f"{time.median:.2f}",
        f"{time.low:.2f} to {time.high:.2f}",
        f"{row.images_per_second:.1f}",
        f"{ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f}) than {row.over}" if ratio else "",
        "" if row.peak_bytes is None else format_bytes(row.peak_bytes),
        f"{row.parameters / 1e6:.1f} M",
        f"{row.multiply_adds / 1e9:.2f} G",
        f"{row.activations / 1e6:.1f} M",
    )


def _title(machine: dict[str, str | int]) -> str:
    threads = "1 thread" if machine["threads"] == 1 else f"{machine['threads']} threads"
    return f"{machine.get('gpu') or machine['processor']}, {threads}, torch {machine['torch']}"
