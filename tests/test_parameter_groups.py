"""Parameter groups by depth, made by timm's own functions, as in its optimisers and open_clip."""

from __future__ import annotations

import pytest
import torch
import zoo_core as zoo
from comparison import theirs

NAMES = ("resnet18", "densenet121", "cspresnet50", "cspdarknet53", "darknet53", "cs3darknet_m", "cs3sedarknet_l")
NAMES += ("legacy_xception", "xception41", "xception41p")


@pytest.mark.peers
@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_parameters_fall_into_the_groups_that_timms_fall_into(name: str, coarse: bool) -> None:
    from timm.models import group_parameters

    def groups(net):
        return {group: set(keys) for group, keys in group_parameters(net, net.group_matcher(coarse)).items()}

    with torch.device("meta"):
        timms = theirs(name)
    assert groups(zoo.create_model(name, device="meta")) == groups(timms)


@pytest.mark.peers
@pytest.mark.parametrize("name", NAMES)
def test_a_network_is_locked_up_to_its_last_groups_as_open_clip_does(name: str) -> None:
    from timm.models import group_modules, group_parameters

    net = zoo.create_model(name, num_classes=0, device="meta")
    matcher = net.group_matcher()
    parameters = group_parameters(net, matcher)
    unlocked = max(parameters) - 1
    for group in range(unlocked):
        for key in parameters[group]:
            net.get_parameter(key).requires_grad = False
    modules = group_modules(net, matcher, reverse=True)
    assert set(modules) == {key.rpartition(".")[0] for key, _ in net.named_parameters()}
    learning = [key for key, parameter in net.named_parameters() if parameter.requires_grad]
    assert learning
    assert len(learning) < sum(len(keys) for keys in parameters.values()) / 2
