"""Freezing and recomputing up to a stage: what learns, what is kept, and that results stay."""

from __future__ import annotations

import copy

import pytest
import torch
import zoo_core as zoo
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from zoo_core.errors import FeatureError, OptionError

SMALL = ("test_resnet", "test_densenet", "test_xception", "test_cspnet")
MORE = ("resnet50d", "densenet121", "legacy_xception", "xception41", "cspdarknet53", "cs3sedarknet_l", "cspresnext50")


def learning(net: nn.Module) -> set[str]:
    return {name for name, parameter in net.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize("name", MORE)
def test_what_a_map_needs_is_frozen_and_the_rest_learns(name: str) -> None:
    net = zoo.create_model(name, device="meta").eval()
    everything = learning(net)
    images = torch.zeros(1, 3, 64, 64, device="meta")
    for stage in range(net.num_stages - 1, -1, -1):
        zoo.freeze(zoo.unfreeze(net), stage)
        maps = net.forward_intermediates(images, intermediates_only=True)
        assert not maps[stage].requires_grad
        assert stage == net.num_stages - 1 or maps[stage + 1].requires_grad
        assert {"fc.weight", "classifier.weight", "head.fc.weight"} & learning(net)
    assert learning(zoo.unfreeze(net)) == everything


@pytest.mark.parametrize("name", SMALL)
def test_frozen_stages_stay_as_they_are_in_training(name: str) -> None:
    net = zoo.freeze(zoo.create_model(name, num_classes=10), 1).train()
    kept = copy.deepcopy(net).eval()
    optimiser = torch.optim.SGD(zoo.parameter_groups(net, 0.1))
    images = torch.randn(4, 3, 32, 32)
    before = [found.detach() for found in kept.forward_intermediates(images, intermediates_only=True)]
    net(images).square().mean().backward()
    optimiser.step()
    after = net.eval().forward_intermediates(images, intermediates_only=True)
    assert torch.equal(before[1], after[1])
    assert not torch.equal(before[-1], after[-1])


def test_without_a_stage_the_classifier_alone_learns() -> None:
    net = zoo.freeze(zoo.create_model("test_resnet", num_classes=10))
    assert learning(net) == {"fc.weight", "fc.bias"}
    net.train()
    assert not any(module.training for module in net.modules() if isinstance(module, _BatchNorm))
    zoo.unfreeze(net, 4)
    assert learning(net) > {"fc.weight", "layer4.0.conv1.weight", "layer4.0.bn1.weight"}
    assert not any(name.startswith(("layer3", "conv1")) for name in learning(net))


def test_statistics_may_follow_the_images() -> None:
    net = zoo.freeze(zoo.create_model("test_resnet"), 2, batch_norm=False).train()
    before = net.bn1.running_mean.clone()
    net(torch.randn(4, 3, 32, 32))
    assert not torch.equal(net.bn1.running_mean, before)
    assert not any(parameter.requires_grad for parameter in net.bn1.parameters())


def test_a_feature_extractor_is_frozen_by_the_stages_of_its_network() -> None:
    backbone = zoo.create_model("test_resnet", features_only=True, out_indices=(2, 3))
    zoo.freeze(backbone, 2)
    assert {name.split(".")[0] for name in learning(backbone)} == {"layer3"}


def test_a_module_without_stages_is_refused() -> None:
    for call in (zoo.freeze, zoo.unfreeze, zoo.checkpoint_stages):
        with pytest.raises(OptionError, match=r"Linear has no stages"):
            call(nn.Linear(1, 1), 1)
    with pytest.raises(OptionError, match=r"no stages .* give the network inside it"):
        zoo.freeze(nn.DataParallel(nn.Linear(1, 1)), 1)
    with pytest.raises(OptionError, match=r"Linear has no classifier"):
        zoo.freeze(nn.Linear(1, 1))
    with pytest.raises(FeatureError, match=r"9 is out of range"):
        zoo.freeze(zoo.create_model("test_resnet", device="meta"), 9)


def kept_bytes(net: nn.Module, images: Tensor) -> int:
    own = {tensor.untyped_storage().data_ptr() for tensor in net.state_dict().values()}
    kept: dict[int, Tensor] = {}
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.setdefault(tensor.untyped_storage().data_ptr(), tensor), lambda tensor: tensor
    ):
        net(images)
    return sum(tensor.untyped_storage().nbytes() for address, tensor in kept.items() if address not in own)


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "xception41", "cspresnet50", "legacy_xception"])
def test_recomputed_stages_keep_less_and_learn_the_same(name: str) -> None:
    torch.manual_seed(0)
    net = zoo.create_model(name, num_classes=5).train()
    images = torch.randn(2, 3, 64, 64)
    twin = copy.deepcopy(net)
    early, late, whole = (copy.deepcopy(net) for _ in range(3))
    last = net.num_stages - 1
    zoo.checkpoint_stages(early, 1)
    # The last map is after the last block in networks with a final norm or convolution.
    zoo.checkpoint_stages(late, [3] if name in ("densenet121", "legacy_xception") else [last])
    whole.set_grad_checkpointing()
    plain = kept_bytes(net, images)
    assert kept_bytes(whole, images) < kept_bytes(early, images) < plain
    assert kept_bytes(late, images) < plain
    for one in (twin, early):
        one.load_state_dict(net.state_dict())
        one(images).square().mean().backward()
    for (key, one), other in zip(twin.named_parameters(), early.parameters(), strict=True):
        scale = one.grad.abs().max().item()
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-4, atol=1e-5 * scale, msg=key)
    zoo.checkpoint_stages(early, [])
    assert kept_bytes(early, images) == plain


def test_a_stage_without_blocks_cannot_be_recomputed() -> None:
    net = zoo.create_model("test_resnet", device="meta")
    with pytest.raises(OptionError, match=r"stage 0 of ResNet has no blocks that can be recomputed"):
        zoo.checkpoint_stages(net, 0)
