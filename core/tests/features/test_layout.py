"""Layouts of maps: every way from one to another and back, and tokens that are no map."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from zoo_core.errors import FeatureError
from zoo_core.features.info import FeatureInfo
from zoo_core.features.layout import LAYOUTS, convert_map

sides = st.integers(1, 5)


@given(st.data(), sides, sides, st.integers(1, 4), st.sampled_from(LAYOUTS), st.sampled_from(LAYOUTS))
def test_a_map_comes_back_from_every_layout(data, rows, columns, reduction, layout, other):
    # The network may cut off what is left of the images, or pad it.
    cut = data.draw(st.integers(0, reduction - 1))
    height, width = rows * reduction + cut, columns * reduction + cut
    shape = {"NCHW": (2, 3, rows, columns), "NHWC": (2, rows, columns, 3), "NLC": (2, rows * columns, 3)}
    x, images = torch.randn(shape[layout]), torch.empty(2, 1, height, width)
    there = convert_map(x, images, (layout, other, reduction, 0))
    assert there.shape == shape[other]
    assert torch.equal(convert_map(there, images, (other, layout, reduction, 0)), x)


@given(sides, sides, st.integers(0, 3), st.sampled_from(LAYOUTS))
def test_prefix_tokens_are_no_part_of_the_map_and_pixels_are_in_rows(rows, columns, prefix, layout):
    tokens = torch.arange(prefix + rows * columns).reshape(1, -1, 1)
    found = convert_map(tokens, torch.empty(1, 3, 8 * rows, 8 * columns), ("NLC", layout, 8, prefix))
    assert found.flatten().tolist() == list(range(prefix, prefix + rows * columns))
    if layout != "NLC":
        assert found.squeeze(layout.index("C")).shape == (1, rows, columns)


@given(sides, sides, st.integers(2, 5))
def test_a_network_may_pad_a_border(rows, columns, reduction):
    tokens = torch.randn(1, rows * columns, 2)
    images = torch.empty(1, 3, rows * reduction - 1, columns * reduction - 1)
    assert convert_map(tokens, images, ("NLC", "NCHW", reduction, 0)).shape == (1, 2, rows, columns)


def test_tokens_that_are_no_grid_are_refused():
    with pytest.raises(FeatureError, match="17 tokens are no map of images of 16 x 16 at reduction 4: correct"):
        convert_map(torch.zeros(1, 17, 2), torch.zeros(1, 3, 16, 16), ("NLC", "NCHW", 4, 0))


def test_a_table_says_its_layouts_and_refuses_unknown_ones():
    row = {"num_chs": 2, "reduction": 4, "module": "blocks.0"}
    info = FeatureInfo([row, {**row, "layout": "NLC"}], (1, 0), "NHWC")
    assert (info.layout(), info.layout(0), info.output_fmt) == (["NLC", "NCHW"], "NCHW", "NHWC")
    assert repr(info) == "FeatureInfo(blocks.0: 2 x 1/4 NLC, blocks.0: 2 x 1/4)"
    with pytest.raises(FeatureError, match=r"feature_info\[0\]: layout 'CLN': expected one of 'NCHW', 'NHWC', 'NLC'"):
        FeatureInfo([{**row, "layout": "CLN"}])


def test_torchscript_compiles_the_conversion():
    tokens, images = torch.randn(2, 7, 3), torch.zeros(2, 3, 8, 12)
    conversion = ("NLC", "NCHW", 4, 1)
    assert torch.equal(
        torch.jit.script(convert_map)(tokens, images, conversion), convert_map(tokens, images, conversion)
    )
