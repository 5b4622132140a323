"""``zoo info``: a model's plugin, tags and default config, and on request its network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.cli.output import format_bytes, print_fields, print_json, print_table
from zoo_core.cli.parser import (
    add_input_size_option,
    add_json_option,
    add_model_argument,
    examples,
    foreign_code,
)
from zoo_core.config import PretrainedCfg
from zoo_core.errors import OptionError
from zoo_core.names import ModelName, parse_model_name

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from zoo_core.description import Description


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "info",
        help="show what a model is, what it expects, and where its weights come from",
        description="Show a model's plugin, tags and default config. Runs code of the plugin only with --build or "
        "--input-size.",
        epilog=examples(
            "zoo info resnet50",
            "zoo info resnet50.a1_in1k --json",
            "zoo info resnet50 --input-size 320x480",
            "zoo info local-dir:folder",
        ),
    )
    add_model_argument(parser, help="the model, such as resnet50 or resnet50.a1_in1k")
    parser.add_argument(
        "--build", action="store_true", help="count parameters and list feature maps; no memory, no weights"
    )
    add_input_size_option(parser, "as --build, for images of this size: ")
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    from zoo_core.building.resolve import resolve_model
    from zoo_core.cli.commands.zoo_list import on_disk
    from zoo_core.description import describe_named
    from zoo_core.registry import current_index

    named = resolve_model(args.name)
    found, cfg, known = named.found, named.default_cfg, describe_named(parse_model_name(args.name), named)
    bridge = found.manifest.bridge
    others = [each for each in current_index().every(found.architecture) if each is not found.plugin]
    described = {
        **known.to_dict(),
        **on_disk(known, cfg),
        "name": args.name,
        "constructor": found.constructor,
        "bridge": bridge.requires if bridge else None,
        "also_in": [str(ModelName(found.architecture, None, plugin.distribution)) for plugin in others],
    }
    built = build(args.name, cfg, args.input_size) if args.build or args.input_size else None
    if args.json:
        print_json({**described, "config": cfg.to_dict() if cfg else None, **({"network": built} if built else {})})
        return 0
    # A plugin of one constructor publishes no default config: nothing is known then.
    expected = config_fields(cfg, known) if cfg else [("input", "not stated by its plugin"), ("weights", "none")]
    size, is_on_disk = size_on_disk(described)
    fields = [
        ("architecture", found.architecture),
        ("tag", known.tag),
        ("all tags", ", ".join(known.tags)),
        ("size", size),
        ("on disk", is_on_disk),
        ("family", found.family),
        ("plugin", found.distribution),
        ("constructor", found.constructor),
        ("bridge to", bridge and f"{bridge.distribution} {bridge.installed}"),
        ("also in", ", ".join(described["also_in"])),
    ]
    print_fields([*fields, *facts_in_words(known), *expected], title=args.name)
    if built:
        print()
        print_network(built)
    return 0


def facts_in_words(known: Description) -> list[tuple[str, object]]:
    """The (name, value) pairs of what a model costs, yields and achieves, as far as it is known."""
    from zoo_core.description import in_percent, short

    at = " x ".join(map(str, known.input_size or ()))
    return [
        ("parameters", known.parameters),
        ("cost", known.macs and f"{short(known.macs)} multiply-adds, {short(known.activations)} activations at {at}"),
        ("maps", known.shown_maps and f"{known.shown_maps} (channels/stride)"),
        *(
            ("ImageNet-1k", f"top-1 {in_percent(one.top1)}, top-5 {in_percent(one.top5) or '?'} at {one.image_size}")
            for one in known.results
        ),
    ]


def size_on_disk(described: dict[str, Any]) -> tuple[str | None, str]:
    """The size of weights, "about" if it is not of a file, and whether there is a file."""
    size, exact = described["bytes"], described["on_disk"]
    words = None if size is None else f"{'' if exact else 'about '}{format_bytes(size)}"
    return words, "yes" if exact else "no"


def config_fields(cfg: PretrainedCfg, known: Description) -> list[tuple[str, object]]:
    """The (name, value) pairs of a default config, in words; None for unknown values."""
    channels, height, width = cfg.input_size
    papers = (cfg.paper_ids,) if isinstance(cfg.paper_ids, str) else cfg.paper_ids or ()
    return [
        ("input", f"{channels} x {height} x {width}, {cfg.interpolation}, crop {cfg.crop_pct:g} ({cfg.crop_mode})"),
        ("test input", " x ".join(map(str, cfg.test_input_size)) if cfg.test_input_size else None),
        ("mean", ", ".join(f"{value:g}" for value in cfg.mean)),
        ("std", ", ".join(f"{value:g}" for value in cfg.std)),
        ("classes", cfg.num_classes),
        ("weights", (cfg.file or cfg.url) if cfg.has_weights else "none: no pretrained weights were published"),
        ("hub", f"https://huggingface.co/{cfg.hf_hub_id}" if cfg.hf_hub_id else None),
        ("sha256", cfg.sha256),
        ("metrics", ", ".join(f"{name} {value:g}" for name, value in (cfg.metrics or {}).items())),
        ("licence", f"{cfg.license or 'not stated'} ({known.license_group})"),
        ("description", cfg.description),
        ("origin", cfg.origin_url),
        ("paper", ", ".join([*filter(None, [cfg.paper_name]), *papers])),
        *(("note", note) for note in cfg.notes or ()),
    ]


def build(name: str, cfg: PretrainedCfg | None, input_size: tuple[int, int] | None) -> dict[str, Any]:
    """Build and describe the network on the meta device, where tensors have shapes and no values.

    Returns:
        ``parameters``; ``input_size`` as (channels, height, width); ``feature_maps``, one dict each
        with ``module``, ``channels``, ``reduction``, ``height`` and ``width`` (None for tokens),
        empty if the network declares none.

    Raises:
        OptionError: for an image size that the network does not accept.
    """
    import torch

    from zoo_core.create import create_model

    cfg = cfg or PretrainedCfg()
    size = (cfg.input_size[0], *(input_size or cfg.input_size[1:]))
    if cfg.fixed_input_size and size != cfg.input_size:
        fixed, asked = (" x ".join(map(str, each[1:])) for each in (cfg.input_size, size))
        raise OptionError(f"{name!r} takes images of {fixed} alone, not of {asked}")
    with foreign_code(f"cannot build {name!r}"):
        net = create_model(name, device="meta")
    network: dict[str, Any] = {
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "input_size": size,
        "feature_maps": [],
    }
    if getattr(net, "feature_info", None):
        with foreign_code(f"{name!r} cannot take images of {' x '.join(map(str, size))}"):
            extractor = create_model(name, features_only=True, device="meta").eval()
            maps = extractor(torch.empty(1, *size, device="meta"))
            values = maps.values() if isinstance(maps, dict) else maps
            network["feature_maps"] = [
                {"module": info["module"], "channels": info["num_chs"], "reduction": info["reduction"]}
                | _sides(map_.shape, info["num_chs"])
                for info, map_ in zip(extractor.feature_info.get_dicts(), values, strict=True)
            ]
    return network


def _sides(shape: Sequence[int], channels: int) -> dict[str, int | None]:
    """Height and width of a map, NCHW, NHWC or NLC: the position of its channels says which."""
    sides = shape[2:] if shape[1] == channels and len(shape) == 4 else shape[1:-1]
    return {"height": sides[0], "width": sides[1]} if len(sides) == 2 else {"height": None, "width": None}


def print_network(network: dict[str, Any]) -> None:
    """Print the parameter count and the feature maps."""
    size = " x ".join(map(str, network["input_size"]))
    print_table(
        ("map", "module", "channels", "reduction", "size"),
        [
            (index, row["module"], row["channels"], row["reduction"], _shown_size(row))
            for index, row in enumerate(network["feature_maps"])
        ],
        title=f"{network['parameters']:,} parameters; feature maps of a {size} input",
    )


def _shown_size(row: dict[str, Any]) -> str:
    return "tokens" if row["height"] is None else f"{row['height']} x {row['width']}"
