"""Synchronised batch norm, which keeps what torch's own converter drops."""

import copy

import pytest
import torch
from torch import nn
from zoo_core import convert_sync_batchnorm, freeze_batch_norm, unfreeze_batch_norm
from zoo_core.errors import OptionError
from zoo_core.layers import BatchNormAct2d, InplaceAbn


def model():
    return nn.Sequential(nn.Conv2d(3, 4, 1), BatchNormAct2d(4, act_layer="silu"), nn.BatchNorm2d(4))


@pytest.mark.parametrize("training", [True, False])
def test_it_computes_the_same_in_one_process_activation_and_statistics_included(training):
    plain = model().train(training)
    sync = convert_sync_batchnorm(copy.deepcopy(plain))
    x = torch.randn(2, 3, 5, 5)
    assert torch.equal(sync(x), plain(x))
    assert list(sync.state_dict()) == list(plain.state_dict())
    for key, value in sync.state_dict().items():
        assert torch.equal(value, plain.state_dict()[key]), key
    assert all(isinstance(norm, nn.SyncBatchNorm) for norm in sync[1:])


def test_an_optimiser_made_before_still_holds_the_parameters():
    net = model()
    before = list(net.parameters())
    assert all(one is other for one, other in zip(convert_sync_batchnorm(net).parameters(), before, strict=True))


def test_frozen_norms_stay_frozen_and_synchronised_ones_freeze():
    net = convert_sync_batchnorm(freeze_batch_norm(model(), "1"))
    assert [isinstance(norm, nn.SyncBatchNorm) for norm in net[1:]] == [False, True]
    net = freeze_batch_norm(convert_sync_batchnorm(model()))
    twin = copy.deepcopy(net)
    x = torch.randn(2, 3, 5, 5)
    assert torch.equal(net.train()(x), twin.eval()(x))
    assert unfreeze_batch_norm(net)[1].training


def test_what_has_no_synchronised_form_is_refused_before_anything_changes():
    net = nn.Sequential(nn.BatchNorm2d(3), InplaceAbn(3))
    with pytest.raises(OptionError, match="batch norm '1', of InplaceAbn, has no synchronised form"):
        convert_sync_batchnorm(net)
    assert type(net[0]) is nn.BatchNorm2d
