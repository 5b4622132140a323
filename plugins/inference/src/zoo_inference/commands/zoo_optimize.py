"""``zoo optimize``: the fastest way to run a model on this machine."""

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
    parser = subparsers.add_parser(
        "optimize",
        help="find the fastest way to run a model",
        description="Try the ways to run a model on this machine, compare each with the model, measure it, and name "
        "the fastest whose outputs are the model's.",
        epilog=examples(
            "zoo optimize resnet50.a1_in1k",
            "zoo optimize test_resnet --random --backends torch --batch-size 8",
            "zoo optimize densenet121 --features-only --output densenet121.safetensors",
        ),
    )
    add_model_argument(parser, help="the model, such as resnet50.a1_in1k")
    parser.add_argument("--batch-size", type=positive, default=1, metavar="N", help="images at once (default: 1)")
    parser.add_argument("--features-only", action="store_true", help="the model as a feature extractor")
    parser.add_argument(
        "--backends", nargs="+", default=["auto"], metavar="NAME", help="auto (default), torch, or engines by name"
    )
    parser.add_argument("--tolerance", type=float, default=1e-4, help="largest relative error (default: 1e-4)")
    parser.add_argument("--budget", type=float, default=60.0, metavar="S", help="seconds to search (default: 60)")
    parser.add_argument("--threads", type=positive, metavar="N", help="threads to compute on; default: PyTorch's own")
    parser.add_argument("--device", default="cpu", help="where the network runs: cpu (default), cuda")
    parser.add_argument("--random", action="store_true", help="random weights: speed without a download")
    parser.add_argument("--output", metavar="FILE", help="save the result: a .safetensors file")
    add_checkpoint_option(parser)
    add_input_size_option(parser)
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    import torch
    import zoo_core

    from zoo_inference.examples import example_of
    from zoo_inference.saving import check_output, save
    from zoo_inference.search import optimize

    if args.output:
        check_output(args.output)
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.checkpoint and args.random:
        raise OptionError(f"weights are either random or those of {args.checkpoint!r}")
    options: dict[str, Any] = {"device": args.device, **({"features_only": True} if args.features_only else {})}
    with foreign_code(f"cannot create {args.name!r}"):
        if args.checkpoint:
            model = create_with(args.name, args.checkpoint, **options)
        else:
            model = zoo_core.create_model(args.name, pretrained=not args.random, **options)
    model.eval()
    backends = args.backends[0] if args.backends in (["auto"], ["torch"]) else args.backends
    example = example_of(model, args.batch_size, args.input_size)
    with foreign_code(f"cannot run {args.name!r}"):
        wanted = {"tolerance": args.tolerance, "backends": backends, "budget_s": args.budget}
        fast = optimize(model, example, progress=not args.json, **wanted)
    if args.output:
        save(fast, args.output)
    if args.json:
        print_json({"model": args.name, **fast.report.to_dict()})
        return 0
    shape = " x ".join(map(str, fast.report.shape))
    print_table(("engine", "times faster", "ms", "error", "outcome"), fast.report.rows(), title=f"{args.name}, {shape}")
    print(f"{fast.report.chosen}: {fast.report.ratio:.2f} times as fast as the model as given")
    if fast.report.caveat:
        print(fast.report.caveat)
    if args.output:
        print(f"wrote {args.output}")
    return 0
