"""Extractors as programs: compiled, exported, scripted, traced and as ONNX, over a network of each
family."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import pytest
import torch
import zoo_core as zoo
from extractors import FAMILIES, SOME, WRAPPERS, assert_same_maps, extractor, images, maps_of, maps_of_whole, network
from torch._dynamo.utils import counters
from zoo_core.errors import FeatureError

if TYPE_CHECKING:
    from collections.abc import Iterator

WANTED = (2, 1)
over_each_family = pytest.mark.parametrize("name", FAMILIES)
in_each_wrapper = pytest.mark.parametrize("wrapper", WRAPPERS)
over_some = pytest.mark.parametrize(("name", "wrapper"), SOME)


@pytest.fixture(autouse=True)
def fresh_compiler() -> Iterator[None]:
    torch.compiler.reset()
    counters.clear()
    yield
    torch.compiler.reset()


def assert_compiles_once(extract, x, **options):
    """The whole extractor is one graph, and a second call takes the same."""
    compiled = torch.compile(extract, fullgraph=True, **options)
    maps = maps_of(compiled(x))
    assert counters["stats"]["unique_graphs"] == 1
    assert not counters["graph_break"]
    with torch._dynamo.config.patch(error_on_recompile=True):
        compiled(x + 1)
    return maps


@over_some
def test_compiles_into_one_graph_that_a_second_call_takes_again(name, wrapper):
    x = images()
    with torch.no_grad():
        maps = assert_compiles_once(extractor(name, wrapper, WANTED), x, backend="eager")
        assert_same_maps(maps, maps_of_whole(network(name), x, WANTED))


@pytest.mark.heavy
@over_some
@pytest.mark.parametrize("frozen", [False, True], ids=["measuring", "frozen"])
def test_compiles_for_training_with_the_same_maps_gradients_and_statistics(name, wrapper, frozen):
    x = images()
    extract, twin = (extractor(name, wrapper, WANTED).train() for _ in range(2))
    if frozen:
        zoo.freeze_batch_norm(extract)
        zoo.freeze_batch_norm(twin)
    compiled = torch.compile(extract, fullgraph=True, backend="aot_eager")
    for run in (compiled, twin):
        sum(item.square().mean() for item in maps_of(run(x))).backward()
    for one, other in zip(extract.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-5 * other.grad.abs().max().item())
    for one, other in zip(extract.buffers(), twin.buffers(), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.heavy
def test_the_default_compiler_gives_the_maps():
    x = images(32, 1)
    with torch.no_grad():
        maps = assert_compiles_once(extractor("test_resnet", "hook", (1,)), x)
        for got, expected in zip(maps, maps_of_whole(network("test_resnet"), x, (1,)), strict=True):
            torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-3)


@over_some
def test_exports(name, wrapper):
    x = images()
    with torch.no_grad():
        program = torch.export.export(extractor(name, wrapper, WANTED), (x,))
        stream = io.BytesIO()
        torch.export.save(program, stream)
        stream.seek(0)
        maps = maps_of(torch.export.load(stream).module()(x))
        for got, expected in zip(maps, maps_of_whole(network(name), x, WANTED), strict=True):
            torch.testing.assert_close(got, expected)


@over_each_family
@pytest.mark.parametrize("wrapper", ["list", "dict"])
@pytest.mark.parametrize("indices", [(2, 1), None], ids=str)
def test_scripts(name, wrapper, indices):
    x = images()
    extract = extractor(name, wrapper, indices)
    stream = io.BytesIO()
    torch.jit.save(torch.jit.script(extract), stream)
    stream.seek(0)
    with torch.no_grad():
        output = torch.jit.load(stream)(x)
        assert_same_maps(output, maps_of_whole(network(name), x, indices))
        if wrapper == "dict":
            assert list(output) == list(extract(x))


@over_some
def test_records(name, wrapper):
    x = images()
    extract = extractor(name, wrapper, WANTED)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sizes that a recording fixes
        recorded = torch.jit.trace(extract, x, strict=False)
        assert_same_maps(recorded(x), maps_of_whole(network(name), x, WANTED))


@over_each_family
@in_each_wrapper
def test_fx_traces_the_right_maps_or_refuses(name, wrapper):
    extract = extractor(name, wrapper, WANTED)
    if wrapper == "hook":
        with pytest.raises(FeatureError, match=r"torch.fx sees no hooks: trace a FeatureListNet"):
            torch.fx.symbolic_trace(extract)
        return
    x = images()
    with torch.no_grad():
        assert_same_maps(torch.fx.symbolic_trace(extract)(x), maps_of_whole(network(name), x, WANTED))


@pytest.mark.heavy
@over_some
def test_onnxruntime_computes_the_maps(name, wrapper, tmp_path):
    import onnxruntime

    x = images()
    path = tmp_path / "extractor.onnx"
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the exporter's own
        torch.onnx.export(extractor(name, wrapper, WANTED), (x,), path, dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    maps = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    with torch.no_grad():
        for got, expected in zip(maps, maps_of_whole(network(name), x, WANTED), strict=True):
            torch.testing.assert_close(torch.from_numpy(got), expected, rtol=1e-3, atol=1e-3)
