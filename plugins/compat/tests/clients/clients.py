"""Libraries that use timm, each put to work on models of our families.

    python clients.py timm smp_unet captum
    python clients.py zoo

Prints a line of JSON for each job: its name, and what came out or the error. Models get the same
weights either way, so the numbers are comparable.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

JOBS: dict[str, Callable[[], Any]] = {}


def job(function: Callable[[], Any]) -> Callable[[], Any]:
    """Put a function among the jobs."""
    JOBS[function.__name__] = function
    return function


def settled(model: nn.Module) -> nn.Module:
    """Give a model weights that its shapes alone decide."""
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters(), key=lambda each: (each[1].shape, each[0][-12:])):
            generator = torch.Generator().manual_seed(parameter.numel())
            if parameter.ndim > 1:
                parameter.normal_(0, (2 / parameter[0].numel()) ** 0.5, generator=generator)
            else:
                parameter.fill_(float(name.endswith(("weight", "weights"))))
    return model


def images(size: int = 64, channels: int = 3) -> torch.Tensor:
    """Two images of noise."""
    return torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(0))


def step(model: nn.Module, *inputs: Any) -> float:
    """Train one step on the mean of the squared outputs, and return it."""
    torch.manual_seed(0)  # for dropout
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    loss = model(*inputs).square().mean()
    loss.backward()
    optimizer.step()
    return loss.item()


def create(name: str, **options: Any) -> nn.Module:
    """A model by timm's name, as it is imported here, with settled weights."""
    import timm

    return settled(timm.create_model(name, **options))


SMP = (
    "resnet10t",
    "resnet18",
    "seresnet50",
    "ecaresnet26t",
    "densenet121",
    "cs3darknet_s",
    "legacy_xception",
    "xception41",
)


def _smp(decoder: str, encoder: str, **options: Any) -> list[float]:
    import segmentation_models_pytorch as smp

    model = settled(smp.create_model(decoder, f"tu-{encoder}", encoder_weights=None, classes=2, **options))
    return [step(model, images(channels=options.get("in_channels", 3))), *map(float, model.encoder.out_channels)]


@job
def smp_unet() -> Any:
    return {encoder: _smp("unet", encoder) for encoder in SMP}


@job
def smp_fpn() -> Any:
    return {encoder: _smp("fpn", encoder, in_channels=1) for encoder in SMP if encoder != "legacy_xception"}


@job
def smp_deeplab() -> Any:
    return [_smp("deeplabv3plus", encoder, encoder_output_stride=16) for encoder in ("resnet10t", "resnet50d")]


@job
def smp_own_encoders_on_timms_classes() -> Any:
    import segmentation_models_pytorch as smp

    model = settled(smp.create_model("unet", "timm-skresnet18", encoder_weights=None, classes=2))
    return step(model, images())


_LIBRARY = torch.library.Library("torchvision", "IMPL")


def _operators() -> None:
    """Let torchvision's wheel for another build of torch suppress boxes, in Python."""
    import torchvision

    if torchvision.extension._has_ops():
        return

    def nms(boxes: torch.Tensor, scores: torch.Tensor, threshold: float) -> torch.Tensor:
        order, kept = scores.argsort(descending=True).tolist(), list[int]()
        overlaps = torchvision.ops.box_iou(boxes, boxes)
        for box in order:
            if all(overlaps[box, other] <= threshold for other in kept):
                kept.append(box)
        return torch.tensor(kept, dtype=torch.long)

    def has_operators() -> None:
        return

    _LIBRARY.impl("nms", nms, "CPU")
    torchvision.ops.boxes._assert_has_ops = has_operators


@job
def torchvision_detection() -> Any:
    from torchvision.models.detection import FasterRCNN
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.backbone_utils import BackboneWithFPN
    from torchvision.ops import MultiScaleRoIAlign

    _operators()
    layers = {f"layer{n}": str(n) for n in (2, 3, 4)}
    backbone = BackboneWithFPN(create("resnet10t"), layers, [128, 256, 512], 32)
    names = [*layers.values(), "pool"]
    model = FasterRCNN(
        backbone,
        num_classes=3,
        min_size=64,
        max_size=64,
        rpn_anchor_generator=AnchorGenerator(((8,), (16,), (32,), (64,)), ((1.0,),) * 4),
        box_roi_pool=MultiScaleRoIAlign(names, 7, 2),
    )
    target = {"boxes": torch.tensor([[4.0, 4.0, 40.0, 40.0]]), "labels": torch.tensor([1])}
    torch.manual_seed(0)
    losses = settled(model)(list(images()), [target, target])
    sum(losses.values()).backward()
    return {name: round(loss.item(), 4) for name, loss in losses.items()}


@job
def captum() -> Any:
    from captum.attr import IntegratedGradients, LayerGradCam

    model = create("resnet10t", num_classes=4).eval()
    gradients = IntegratedGradients(model).attribute(images(), target=1, n_steps=2)
    return gradients.abs().sum().item(), LayerGradCam(model, model.layer4).attribute(images(), target=1).sum().item()


@job
def grad_cam() -> Any:
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    model = create("resnet10t", num_classes=4).eval()
    with GradCAM(model=model, target_layers=[model.layer4[-1]]) as cam:
        return float(cam(input_tensor=images(), targets=[ClassifierOutputTarget(1)] * 2).sum())


COUNTED = ("resnet10t", "resnet50", "seresnet50", "densenet121", "cspdarknet53", "legacy_xception", "xception41")


@job
def torchinfo() -> Any:
    from torchinfo import summary

    counts = {}
    for name in COUNTED:
        found = summary(create(name), (1, 3, 64, 64), verbose=0)
        counts[name] = found.total_params, found.trainable_params, found.total_mult_adds
    return counts


@job
def ptflops() -> Any:
    from ptflops import get_model_complexity_info

    options = {"as_strings": False, "print_per_layer_stat": False, "backend": "pytorch"}
    return {name: get_model_complexity_info(create(name).eval(), (3, 64, 64), **options) for name in COUNTED}


@job
def thop() -> Any:
    from thop import profile

    return {name: profile(create(name).eval(), (images()[:1],), verbose=False) for name in COUNTED}


@job
def transformers_classifier() -> Any:
    from transformers import TimmWrapperConfig, TimmWrapperForImageClassification

    config = TimmWrapperConfig(architecture="resnet10t", num_labels=3)
    return settled(TimmWrapperForImageClassification(config)).eval()(images()).logits.sum().item()


@job
def transformers_backbone() -> Any:
    from transformers import TimmBackbone, TimmBackboneConfig

    config = TimmBackboneConfig(backbone="resnet10t", out_indices=(1, 2, 3), use_pretrained_backbone=False)
    model = settled(TimmBackbone(config)).eval()
    return [map_.sum().item() for map_ in model(images()).feature_maps], model.channels


@job
def effdet() -> Any:
    from effdet import EfficientDet, get_efficientdet_config

    config = get_efficientdet_config("efficientdet_d0")
    config.backbone_name, config.backbone_args, config.backbone_indices = "resnet10t", {}, (2, 3, 4)
    config.image_size, config.num_classes = (128, 128), 3
    model = settled(EfficientDet(config, pretrained_backbone=False))
    return [map_.sum().item() for map_ in model.eval()(images(128))[0]]


@job
def open_clip() -> Any:
    from open_clip.timm_model import TimmModel

    results = []
    for pool, proj in (("avg", "linear"), ("avg", ""), ("avg", "mlp")):
        model = settled(TimmModel("resnet10t", 16, image_size=64, pool=pool, proj=proj))
        model.lock(unlocked_groups=1, freeze_bn_stats=True)
        trained = sum(parameter.requires_grad for parameter in model.trunk.parameters())
        results.append((model.eval()(images()).sum().item(), trained))
    model = TimmModel("resnet10t", 16, image_size=64)
    model.set_grad_checkpointing()
    return results, step(settled(model), images())


@job
def open_clip_tower() -> Any:
    from open_clip.model import CLIP

    vision = {"timm_model_name": "resnet10t", "timm_pool": "avg", "timm_proj": "linear", "image_size": 64}
    text = {"context_length": 8, "vocab_size": 50, "width": 32, "heads": 2, "layers": 1}
    model = settled(CLIP(16, vision_cfg=vision, text_cfg=text)).eval()
    return model.encode_image(images()).sum().item()


@job
def fastai() -> Any:
    from fastai.vision.learner import create_timm_model

    model, cfg = create_timm_model("resnet10t", 3, pretrained=False)
    return settled(model).eval()(images()).sum().item(), list(cfg["mean"])


@job
def lightning() -> Any:
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = create("resnet10t", num_classes=3)

        def training_step(self, batch: Any, _: int) -> Any:
            self.loss = nn.functional.cross_entropy(self.net(batch), torch.tensor([0, 2]))
            return self.loss

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 0.01)

    module = Module()
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": True, "enable_checkpointing": False}
    trainer = lightning.Trainer(max_steps=2, accelerator="cpu", **quiet)
    trainer.fit(module, torch.utils.data.DataLoader(torch.cat([images(), images()]), batch_size=2))
    return module.loss.item()


@job
def accelerate() -> Any:
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    model = create("resnet10t", num_classes=3)
    model, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), 0.01))
    loss = nn.functional.cross_entropy(model(images()), torch.tensor([0, 2]))
    accelerator.backward(loss)
    optimizer.step()
    return loss.item(), len(accelerator.get_state_dict(model))


@job
def anomalib() -> Any:
    from anomalib.models.components import TimmFeatureExtractor

    model = settled(TimmFeatureExtractor("resnet10t", ["layer1", "layer3"], pre_trained=False)).eval()
    return {name: map_.sum().item() for name, map_ in model(images()).items()}, model.out_dims


def main() -> None:
    """Run the jobs that are named, or all."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    sys.path.insert(0, str(Path(__file__).parents[4] / "tests"))
    import peers

    peers.prepare()
    whose, *names = sys.argv[1:]
    if whose == "zoo":
        import zoo_compat

        zoo_compat.install()
    for name in names or JOBS:
        try:
            outcome = {"result": JOBS[name]()}
        except Exception as error:
            outcome = {"error": f"{type(error).__name__}: {error}"[:400]}
        print("JOB", json.dumps({"job": name, **outcome}), flush=True)


if __name__ == "__main__":
    main()
