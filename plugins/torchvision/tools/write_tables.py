"""Write the manifest of zoo-torchvision from the torchvision that is installed.

    python plugins/torchvision/tools/write_tables.py

Names, weights, transforms and accuracies are torchvision's own tables; feature maps are found by
running each network once on the meta device: the last module at each resolution.
"""

from __future__ import annotations

import math
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

sys.path.append(str(Path(__file__).parents[3] / "tests"))

import peers

PACKAGE = Path(__file__).parents[1] / "src" / "zoo_torchvision"
LICENSES = {None: "bsd-3-clause", "https://github.com/facebookresearch/SWAG/blob/main/LICENSE": "cc-by-nc-4.0"}
LEAST = "0.27"
YIELDS = ("zoo-timm",)  # more weights have timm's names, and more code means them
CONTAINERS = ("features", "layers", "blocks", "trunk_output")
"""Children whose own children are the blocks."""


def main() -> None:
    """Write the files."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    peers.prepare()
    from zoo_kit.manifest.bridge import bridge_texts

    release = version("torchvision").partition("+")[0]
    table, facts, results = tables()
    requires, named = f"torchvision>={LEAST}", {"facts": facts, "results": results}
    texts = bridge_texts("torchvision", requires, "torchvision", {release: table}, **named, yields=YIELDS)
    for name, text in texts.items():
        (PACKAGE / name).write_bytes(text.encode())
        print(f"wrote {name}, {len(text):,} bytes")


def tables() -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return the manifest's table, the facts and the results."""
    import torchvision
    from torchvision.models import get_model_builder, get_model_weights, list_models
    from zoo_kit.manifest.bridge import bridge_row, config_row
    from zoo_kit.manifest.facts import facts_of

    rows, configs, facts, results = {}, {}, {}, {}
    for name in list_models(module=torchvision.models):
        known: Any = get_model_weights(name)
        net = built(name)
        derived = {"first_conv": first_conv(net), "classifier": classifier(net), "size": size_of(net)}
        default = known.DEFAULT
        members = [default, *(member for member in known if member is not default)]
        tags = {member.name.lower(): config(member, derived) for member in members}
        rows[name] = bridge_row(tags, family=get_model_builder(name).__module__.rpartition(".")[2])
        configs |= {f"{name}.{tag}": config_row(cfg) for tag, cfg in tags.items()}
        results |= {f"{name}.{member.name.lower()}": found for member in members if (found := result(member))}
        cfg = tags[default.name.lower()]
        net.feature_info = maps(net, cfg.input_size)
        facts[name] = facts_of(net, cfg.input_size, fixed_input_size=cfg.fixed_input_size)
        print(name, [(row["module"], row["num_chs"], row["reduction"]) for row in net.feature_info], flush=True)
    return {"architectures": rows, "aliases": {}, "configs": configs}, facts, results


def built(name: str) -> Any:
    """Return a network of the default weights on the meta device."""
    from torchvision.models import get_model_builder, get_model_weights
    from zoo_core.building.materialise import building, complete

    make: Any = get_model_builder(name)
    sizes = get_model_weights(name).DEFAULT.meta["min_size"]
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    options |= {"aux_logits": False} if name == "googlenet" else {}
    options |= {"image_size": sizes[0]} if name.startswith("vit_") else {}
    with building("meta") as deferral:
        net = make(**options)
    complete(net, deferral, "meta")
    return net


def config(member: Any, derived: dict[str, Any]) -> Any:
    """Return the default config of one set of weights."""
    from zoo_core.config import PretrainedCfg

    preset = member.transforms()
    (crop,), (resize,) = preset.crop_size, preset.resize_size
    least = member.meta["min_size"]
    fixed = least == (crop, crop)
    prefix = member.url.rpartition("-")[2].partition(".")[0]
    return PretrainedCfg(
        url=member.url,
        sha256=prefix if len(prefix) >= 8 else None,
        input_size=(3, crop, crop),
        min_input_size=None if fixed else (3, *(max(32, side) for side in least)),
        fixed_input_size=fixed,
        interpolation=preset.interpolation.value,
        crop_pct=round(crop / resize, 6),
        mean=tuple(preset.mean),
        std=tuple(preset.std),
        num_classes=len(member.meta["categories"] or range(1000)),
        license=LICENSES[member.meta.get("license")],
        origin_url=member.meta.get("recipe"),
        **derived,
    )


def result(member: Any) -> list[dict[str, Any]]:
    """Return the published accuracy of one set of weights."""
    metrics = member.meta["_metrics"]["ImageNet-1K"]
    if math.isnan(metrics["acc@1"]):  # weights without a classifier
        return []
    return [{"image_size": member.transforms().crop_size[0], "top1": metrics["acc@1"], "top5": metrics["acc@5"]}]


def first_conv(net: nn.Module) -> str:
    """Return the convolution that sees the image."""
    return next(name for name, module in net.named_modules() if isinstance(module, nn.Conv2d))


def classifier(net: nn.Module) -> str | tuple[str, ...]:
    """Return the modules that yield logits, the last one first."""
    wide = [name for name, module in net.named_modules() if classes_of(module) == 1000]
    return wide[0] if len(wide) == 1 else tuple(reversed(wide))


def classes_of(module: nn.Module) -> int:
    """Return the width of what a layer yields."""
    return int(getattr(module, "out_features", 0) or getattr(module, "out_channels", 0))


def size_of(net: nn.Module) -> int:
    """Return the bytes of the state dict."""
    return sum(tensor.numel() * tensor.itemsize for tensor in net.state_dict().values())


def maps(net: nn.Module, size: tuple[int, int, int]) -> list[dict[str, Any]]:
    """Return the feature maps: the last block at each resolution, or every block of tokens."""
    seen: list[tuple[str, tuple[int, ...]]] = []
    names = {module: name for name, module in net.named_modules() if name and name.count(".") <= depth(net)}
    handles = [
        module.register_forward_hook(lambda _, __, out, name=name: seen.append((name, tuple(out.shape))))
        for module, name in names.items()
        if type(module) not in (nn.ModuleList, nn.Dropout, nn.AdaptiveAvgPool2d)
        and not name.startswith(("classifier", "avgpool", "head", "AuxLogits"))
    ]
    with torch.no_grad():
        net.eval()(torch.zeros(1, *size, device="meta"))
    for handle in handles:
        handle.remove()
    if hasattr(net, "encoder"):
        return [
            {"num_chs": net.hidden_dim, "reduction": net.patch_size, "module": f"encoder.layers.encoder_layer_{index}"}
            for index in range(len(net.encoder.layers))
        ]
    found: dict[int, dict[str, Any]] = {}
    for name, shape in seen:
        if len(shape) != 4 or ("." in name and name.partition(".")[0] not in CONTAINERS):
            continue
        last = shape[1] == shape[2]  # (batch, height, width, channels)
        side, channels = (shape[1], shape[3]) if last else (shape[2], shape[1])
        reduction = 2 ** round(torch.log2(torch.tensor(size[1] / side)).item())
        if reduction > 1 and name not in CONTAINERS:
            found[reduction] = {"num_chs": channels, "reduction": reduction, "module": name}
    return [found[reduction] for reduction in sorted(found)]


def depth(net: nn.Module) -> int:
    """Return how many dots a block's name may have."""
    return (
        1 if any(name in dict(net.named_children()) for name in ("features", "layers", "blocks", "trunk_output")) else 0
    )


if __name__ == "__main__":
    main()
