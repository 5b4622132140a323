"""The facade: Zoo's names first, an installed timm's for the rest, and an error that says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Program


def test_importing_and_listing_import_no_torch(program: Program) -> None:
    source = """
import sys
import zoo_core.compat.timm as timm
assert "resnet50" in timm.list_models("resnet*") and timm.__version__ == "1.0.31"
assert timm.is_model("densenet121") and "resnet" in timm.list_modules()
print("torch" in sys.modules)
"""
    assert program(source, timm=False).split() == ["False"]


def test_without_timm_what_zoo_lacks_is_an_error_that_says_so(program: Program) -> None:
    source = """
import zoo_core.compat.timm as timm
from zoo_core.compat.timm.models import create_model
assert create_model("resnet10t", num_classes=3).num_classes == 3
for call in (lambda: timm.models.VisionTransformer, lambda: timm.nonsense):
    try:
        call()
    except AttributeError as error:
        print(error)
try:
    import zoo_core.compat.timm.optim
except ModuleNotFoundError as error:
    print(error)
try:
    from zoo_core.compat.timm.layers import ConvNormAct
except ImportError as error:
    print(error)
"""
    lines = program(source, timm=False).splitlines()
    assert lines[0] == "Zoo has no timm.models.VisionTransformer; pip install timm, for timm's own"
    assert "timm.nonsense" in lines[1]
    assert lines[2] == "Zoo has no timm.optim; pip install timm, for timm's own"
    assert lines[3] == "Zoo has no timm.layers.ConvNormAct; pip install timm, for timm's own"


def test_a_family_that_is_not_installed_is_an_error_that_says_so(program: Program) -> None:
    source = """
sys.modules["zoo_resnet"] = None
import zoo_core.compat.timm as timm
import zoo_core.compat.timm.models.resnet as resnet
try:
    resnet.ResNet
except AttributeError as error:
    print(error)
"""
    assert "Zoo has no timm.models.resnet.ResNet; pip install timm" in program(source, timm=False)


@pytest.mark.peers
def test_what_zoo_lacks_is_the_installed_timms(program: Program) -> None:
    source = """
import zoo_core.compat.timm as ours
import timm
from zoo_core.compat.timm.models import VisionTransformer
from zoo_core.compat.timm.optim import create_optimizer_v2
import zoo_core.compat.timm.models.vision_transformer as module
import timm.optim, timm.models.vision_transformer
assert VisionTransformer is timm.models.VisionTransformer
assert create_optimizer_v2 is timm.optim.create_optimizer_v2
assert module is timm.models.vision_transformer and module.__spec__.name == "timm.models.vision_transformer"
assert ours.create_model is not timm.create_model
print(type(ours.create_model("vit_tiny_patch16_224", num_classes=2)).__module__)
"""
    assert program(source).split() == ["timm.models.vision_transformer"]


@pytest.mark.peers
def test_installed_it_serves_every_importer(program: Program) -> None:
    source = """
import zoo_compat
zoo_compat.install()
import timm
from timm.models import create_model
from timm.models.layers import to_2tuple, trunc_normal_
from timm.models.registry import register_model
from timm.models.resnet import ResNet
from timm.optim import create_optimizer_v2
from timm.scheduler import CosineLRScheduler
from timm.loss import LabelSmoothingCrossEntropy
import zoo_resnet.model
model = create_model("resnet10t", pretrained=False, scriptable=True, exportable=True, no_jit=True, checkpoint_path="")
assert type(model) is zoo_resnet.model.ResNet and isinstance(model, ResNet) and issubclass(type(model), ResNet)
optimizer = create_optimizer_v2(model, opt="adamw", lr=1e-3, weight_decay=0.05)
assert sum(len(group["params"]) for group in optimizer.param_groups) == len([*model.parameters()])
zoo_compat.uninstall()
import timm
print(type(timm).__name__ == "module" and timm.create_model.__module__ == "timm.models._factory")
"""
    assert program(source).split() == ["True"]


@pytest.mark.heavy
@pytest.mark.peers
def test_who_builds_or_derives_a_class_gets_timms(program: Program) -> None:
    source = """
import zoo_compat
zoo_compat.install()
import timm
from timm.models.resnet import BasicBlock, Bottleneck, ResNet
from timm.models.sknet import SelectiveKernelBasic
class Mine(ResNet):
    def __init__(self):
        super().__init__(block=SelectiveKernelBasic, layers=[1, 1, 1, 1], num_classes=4)
for model in (ResNet(BasicBlock, [1, 1, 1, 1], num_classes=4), Mine()):
    assert isinstance(model, ResNet) and isinstance(model, timm.models.ResNet)
    print(model(torch.ones(2, 3, 32, 32)).shape[1], isinstance(model.layer1[0], BasicBlock), isinstance(model, Mine))
net = timm.create_model("resnet10t")
print(isinstance(net, Mine), isinstance(net.layer1[0], BasicBlock), isinstance(net.layer1[0], Bottleneck))
print(Bottleneck.expansion, issubclass(Mine, ResNet), issubclass(torch.nn.Conv2d, ResNet))
"""
    assert program(source).splitlines() == ["4 True False", "4 False True", "False True False", "4 True False"]
    source = """
import zoo_core.compat.timm as timm
from zoo_core.compat.timm.models.resnet import BasicBlock, ResNet
assert isinstance(timm.create_model("resnet10t"), ResNet)
classes = {"densenet121": "DenseNet", "cs3darknet_s": "CspNet"}
for name, kind in (classes | {"xception41": "XceptionAligned", "legacy_xception": "Xception"}).items():
    assert isinstance(timm.create_model(name, device="meta"), getattr(timm.models, kind)), name
try:
    ResNet(BasicBlock, [1, 1, 1, 1])
except TypeError as error:
    print(error)
"""
    assert "needs timm's own class: pip install timm" in program(source, timm=False)


@pytest.mark.peers
@pytest.mark.parametrize("timm", [True, False])
def test_without_zoo_images_transforms_are_an_installed_timms(program: Program, timm: bool) -> None:
    source = """
import sys
sys.modules["zoo_images"] = None
import zoo_core.compat.timm as timm
model = timm.create_model("resnet10t", device="meta")
try:
    config = timm.data.resolve_data_config({}, model=model)
    print(config["input_size"], type(timm.data.create_transform(**config)).__name__)
except ImportError as error:
    print(error)
"""
    said = "(3, 176, 176) Compose" if timm else "transforms are in zoo-images: pip install zoo-images"
    assert program(source, timm=timm).strip() == said


@pytest.mark.peers
def test_installing_after_timm_is_refused(program: Program) -> None:
    source = """
import timm, zoo_compat
try:
    zoo_compat.install()
except ImportError as error:
    print(error)
"""
    assert "call install() before anything imports it" in program(source)
