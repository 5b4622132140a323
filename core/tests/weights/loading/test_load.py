"""Putting a state dict into a network: wholly, or with one error and nothing changed, whatever the
state dict holds."""

import copy
import warnings

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from zoo_core.building.deferred import Deferral
from zoo_core.building.materialise import building, complete
from zoo_core.config import PretrainedCfg
from zoo_core.errors import WeightsError
from zoo_core.weights.loading.assign import copy_each, slots_of
from zoo_core.weights.loading.load import load_adapted, load_pretrained

CFG = PretrainedCfg(num_classes=4, input_size=(3, 8, 8), first_conv="conv", classifier="fc")


class Net(nn.Module):
    """A tied parameter, integers, complex numbers, half precision, and a buffer that is not
    saved."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.bn = nn.BatchNorm2d(2)
        self.fc = nn.Linear(2, 4)
        self.tied = nn.Linear(2, 4, bias=False)
        self.tied.weight = self.fc.weight
        self.small = nn.Parameter(torch.randn(3).half())
        self.wave = nn.Parameter(torch.randn(2, dtype=torch.complex64))
        self.register_buffer("index", torch.arange(3))
        self.register_buffer("cache", torch.randn(2), persistent=False)


class Hooked(Net):
    """One that takes part in loading, and fails for some weights when others are in place
    already."""

    def __init__(self):
        super().__init__()
        self.wave.requires_grad_(False)
        self._register_load_state_dict_pre_hook(self.look)

    def look(self, state_dict, *_):
        self.cache.zero_()

    def _load_from_state_dict(self, state_dict, prefix, *args):
        super()._load_from_state_dict(state_dict, prefix, *args)
        if state_dict.get("small", torch.zeros(1)).flatten()[:1].sum() > 0:
            raise ZeroDivisionError("half of it is loaded")


def sparse(shape):
    return torch.ones(shape).to_sparse()


def nested(shape):
    return torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])


def quantised(shape):
    return torch.quantize_per_tensor(torch.ones(shape), 0.5, 0, torch.qint8)


class Marked(torch.Tensor):
    """A tensor of a class of its own."""


KINDS = {
    "plain": torch.randn,
    "parameter": lambda shape: nn.Parameter(torch.randn(shape)),
    "gradient": lambda shape: torch.randn(shape, requires_grad=True),
    "graph": lambda shape: torch.randn(shape, requires_grad=True) * 2,
    "negative": lambda shape: torch._neg_view(torch.randn(shape)),
    "conjugate": lambda shape: torch.randn(shape, dtype=torch.complex64).conj(),
    "imaginary": lambda shape: torch.randn(shape, dtype=torch.complex64).conj().imag,
    "complex": lambda shape: torch.randn(shape, dtype=torch.complex128),
    "double": lambda shape: torch.randn(shape, dtype=torch.float64),
    "float8": lambda shape: torch.randn(shape).to(torch.float8_e4m3fn),
    "long": lambda shape: torch.ones(shape, dtype=torch.int64),
    "bool": lambda shape: torch.ones(shape, dtype=torch.bool),
    "expanded": lambda shape: torch.randn(()).expand(shape),
    "strided": lambda shape: torch.randn(*shape, 2)[..., 1],
    "another shape": lambda shape: torch.randn(*shape, 1),
    "one number": lambda shape: torch.randn(()),
    "empty": lambda shape: torch.empty(0),
    "sparse": sparse,
    "csr": lambda shape: torch.ones(2, 2).to_sparse_csr(),
    "quantised": quantised,
    "meta": lambda shape: torch.empty(shape, device="meta"),
    "nested": nested,
    "class": lambda shape: torch.randn(shape).as_subclass(Marked),
    "lazy": lambda shape: nn.UninitializedParameter(),
    "list": lambda shape: [1.0],
    "none": lambda shape: None,
}
ODD = ("sparse", "csr", "quantised", "meta", "nested", "class", "lazy", "list", "none")

pytestmark = pytest.mark.filterwarnings(
    "ignore:torch.quantize_per_tensor",
    "ignore:The PyTorch API of nested tensors",
    "ignore:Sparse CSR tensor support",
    "ignore:Sparse invariant checks",
)


def everything(net):
    """Every tensor of a network: the object, and its bits."""
    named = [*net.named_parameters(remove_duplicate=False), *net.named_buffers(remove_duplicate=False)]
    return {name: (tensor, tensor.detach().clone()) for name, tensor in named}


def bits(tensor):
    return tensor.detach().contiguous().resolve_conj().resolve_neg().reshape(-1).view(torch.uint8)


def assert_unchanged(net, before):
    after = everything(net)
    assert after.keys() == before.keys()
    for name, (tensor, values) in before.items():
        assert after[name][0] is tensor, name
        assert torch.equal(bits(after[name][1]), bits(values)), name


def assert_loaded(net, state_dict):
    """Its values are those of the state dict, cast to its own kinds; buffers have no gradient.

    A classifier of another count of classes, none at all for example, is left out whole, see
    `adapt_classifiers`.
    """
    classifier = next((state_dict[key] for key in ("fc.weight", "fc.bias") if key in state_dict), net.fc.weight)
    other_classes = classifier.shape[:1] != net.fc.weight.shape[:1]
    for key, tensor in net.state_dict().items():
        if key in state_dict and not (other_classes and key.startswith("fc.")):
            wanted = state_dict[key].detach().to(tensor.dtype)
            if key != "fc.weight" and key != "tied.weight":  # tied: either of them
                torch.testing.assert_close(tensor, wanted, rtol=0, atol=0, equal_nan=True)
    assert not any(buffer.requires_grad for buffer in net.buffers())
    assert all(type(parameter) is nn.Parameter for parameter in net.parameters())
    assert net.fc.weight is net.tied.weight


NAMES = list(slots_of(Net()))
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("kind"), st.sampled_from(NAMES), st.sampled_from(sorted(KINDS))),
        st.tuples(st.just("gone"), st.sampled_from(NAMES), st.none()),
        st.tuples(st.just("more"), st.sampled_from(["extra", 3, None, ("a", 1), "conv.module.weight"]), st.none()),
        st.tuples(st.just("prefix"), st.sampled_from(NAMES), st.sampled_from(["module.", "net."])),
    ),
    min_size=1,
    max_size=4,
)


def giver(assign):
    """How the builder, or somebody else, overwrites tensors."""
    return Deferral().give if assign else copy_each


@settings(deadline=None, max_examples=600, suppress_health_check=[HealthCheck.too_slow])
@given(changes=CHANGES, strict=st.booleans(), assign=st.booleans(), kind=st.sampled_from([Net, Hooked]))
def test_any_state_dict_is_loaded_wholly_or_changes_nothing(changes, strict, assign, kind):
    torch.manual_seed(0)
    net = kind()
    state_dict = {key: torch.zeros_like(value).detach() for key, value in Net().state_dict().items()}
    for change, key, value in changes:
        if change == "kind" and key in state_dict:
            state_dict[key] = KINDS[value](tuple(net.state_dict()[key].shape))
        elif change == "gone":
            state_dict.pop(key, None)
        elif change == "prefix" and key in state_dict:
            state_dict[value + key] = state_dict.pop(key)
        elif change == "more":
            state_dict[key] = torch.ones(1)
    before = everything(net)
    held = dict(state_dict)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Casting complex")
            load_adapted(net, state_dict, CFG, strict=strict, give=giver(assign))
    except WeightsError:
        assert_unchanged(net, before)
    else:
        assert_loaded(net, state_dict)
    assert list(map(id, state_dict.values())) == list(map(id, held.values()))


@pytest.mark.parametrize("assign", [True, False])
@pytest.mark.parametrize("kind", ODD)
def test_the_error_names_the_entry_and_what_it_is(kind, assign):
    net = Net()
    state_dict = {**net.state_dict(), "fc.bias": KINDS[kind]((4,))}
    before = everything(net)
    with pytest.raises(WeightsError, match=r"^[^\n]*'fc\.bias'[^\n]*$"):
        load_adapted(net, state_dict, CFG, give=giver(assign))
    assert_unchanged(net, before)


def test_an_imaginary_part_is_not_dropped():
    net = Net()
    state_dict = {**net.state_dict(), "fc.bias": torch.ones(4, dtype=torch.complex64)}
    with pytest.raises(
        WeightsError, match=r"would be lost \(1\): fc\.bias is torch\.complex64, the network's torch\.f"
    ):
        load_adapted(net, state_dict, CFG)
    state_dict = {**net.state_dict(), "conv.weight": torch.ones(2, 1, 1, 1, dtype=torch.complex64)}
    with pytest.raises(WeightsError, match=r"conv\.weight is torch\.complex64"):
        load_adapted(net, state_dict, CFG)


@pytest.mark.parametrize("prefix", ["module.", "backbone."])
def test_half_of_a_state_dict_behind_a_prefix_is_an_error_though_not_strict(prefix):
    net = Net()
    weights = Net().state_dict()
    halves = {(prefix if i % 2 else "") + key: value for i, (key, value) in enumerate(weights.items())}
    before = everything(net)
    with pytest.raises(WeightsError, match=rf"behind a prefix that other keys lack \(\d+\): {prefix}"):
        load_adapted(net, halves, CFG, strict=False)
    assert_unchanged(net, before)


def test_another_head_is_passed_over_when_not_strict():
    net = Net()
    weights = {key: value for key, value in Net().state_dict().items() if not key.startswith("small")}
    load_adapted(net, {**weights, "aux.fc.weight": torch.ones(4, 2), "aux.small": torch.ones(7)}, CFG, strict=False)
    assert torch.equal(net.conv.weight, weights["conv.weight"])


def test_tensors_that_share_memory_do_not_tie_a_network_that_does_not():
    shared = torch.ones(2, 2)
    with building() as deferral:
        net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
        load_adapted(net, {"0.weight": shared, "1.weight": shared}, PretrainedCfg(), give=deferral.give)
    assert net[0].weight.data_ptr() == shared.data_ptr()
    with torch.no_grad():
        net[0].weight.zero_()
    assert net[1].weight.sum() == 4


@pytest.mark.parametrize("layer", [lambda: nn.Linear(2, 2), lambda: nn.BatchNorm1d(2)])
def test_a_shared_tensor_ends_with_the_value_that_torch_gives_it(layer):
    net, other = nn.Sequential(layer(), layer()), nn.Sequential(layer(), layer())
    weights = {
        key: torch.randn_like(value) if value.is_floating_point() else value for key, value in net.state_dict().items()
    }
    other[1].weight = other[0].weight
    other.load_state_dict(weights)
    with building() as deferral:
        net = nn.Sequential(layer(), layer())
        net[1].weight = net[0].weight
        load_adapted(net, dict(weights), PretrainedCfg(), give=deferral.give)
    assert net[0].weight is net[1].weight
    assert all(torch.equal(value, other.state_dict()[key]) for key, value in net.state_dict().items())


def test_an_expanded_tensor_can_be_trained_when_assigned():
    with building() as deferral:
        net = nn.Sequential(nn.Linear(2, 2, bias=False))
        load_adapted(net, {"0.weight": torch.ones(()).expand(2, 2)}, PretrainedCfg(), give=deferral.give)
    with torch.no_grad():
        net[0].weight[0, 0] = 5
    assert net[0].weight.tolist() == [[5, 1], [1, 1]]


@pytest.mark.parametrize("mmap", [True, False])
@pytest.mark.parametrize("assign", [True, False])
def test_negated_and_conjugated_tensors_of_a_file_keep_their_values(tmp_path, mmap, assign):
    net = Net()
    weights = net.state_dict()
    weights["fc.bias"] = torch._neg_view(torch.arange(4.0))
    weights["wave"] = torch.tensor([1 + 2j, 3 - 4j]).conj()
    torch.save(weights, tmp_path / "net.pth")
    cfg = PretrainedCfg(**{**CFG.to_dict(), "file": str(tmp_path / "net.pth")})
    with building() as deferral:
        other = Net()
        load_pretrained(other, cfg, mmap=mmap, give=deferral.give if assign else copy_each)
    complete(other, deferral)
    assert other.fc.bias.tolist() == [0, -1, -2, -3]
    assert other.wave.tolist() == [1 - 2j, 3 + 4j]
    assert not other.fc.bias.is_neg()
    assert not other.wave.is_conj()
    copy.deepcopy(other).requires_grad_(False)


def test_a_filter_that_returns_nonsense_is_one_line(tmp_path):
    net = Net()
    torch.save(net.state_dict(), tmp_path / "net.pth")
    cfg = PretrainedCfg(**{**CFG.to_dict(), "file": str(tmp_path / "net.pth")})
    before = everything(net)
    with pytest.raises(WeightsError, match="named 1; names are strings"):
        load_pretrained(net, cfg, filter_fn=lambda weights, _: {1: torch.ones(1), **weights})
    assert_unchanged(net, before)
