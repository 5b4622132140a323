"""Our safetensors reader accepts what safetensors' own accepts, refuses what it refuses, and reads
the same bits."""

import json
import struct
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from zoo_core.errors import WeightsError
from zoo_core.weights.files.safetensors import read_tensorfile, tensorfile_of

DTYPES = [
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.float64,
    torch.int64,
    torch.int32,
    torch.uint8,
    torch.bool,
]
TENSOR = st.builds(
    lambda dtype, shape, seed: torch.randint(0, 2, shape, generator=torch.Generator().manual_seed(seed)).to(dtype),
    st.sampled_from(DTYPES),
    st.lists(st.integers(0, 5), max_size=4).map(tuple),
    st.integers(0, 99),
)


@pytest.mark.parametrize("mapped", [False, True])
@settings(deadline=None, max_examples=60)
@given(
    tensors=st.dictionaries(
        st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__"), TENSOR, max_size=6
    )
)
def test_reads_the_same_tensors(tmp_path_factory, mapped, tensors):
    path = tmp_path_factory.mktemp("files") / "x.safetensors"
    save_file(tensors, path, metadata={"any": "thing"})
    got = read_tensorfile(path, mapped=mapped)
    expected = load(path.read_bytes())
    assert set(got) == set(expected)
    for name, tensor in expected.items():
        assert got[name].dtype == tensor.dtype
        assert got[name].shape == tensor.shape
        assert torch.equal(got[name], tensor)


def file_of(header, data):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
BROKEN = {
    "empty": b"",
    "short": b"\0\0\0",
    "header past the end": struct.pack("<Q", 1000) + b"{}",
    "huge header": struct.pack("<Q", 2**62) + b"{}",
    "no object": file_of(b"[1]", b""),
    "no json": file_of(b"{nope", b""),
    "not utf-8": file_of(b'{"\xff": 1}', b""),
    "truncated data": file_of({"a": F32}, bytes(7)),
    "trailing data": file_of({"a": F32}, bytes(9)),
    "gap": file_of({"a": {**F32, "data_offsets": [4, 12]}}, bytes(12)),
    "overlap": file_of({"a": F32, "b": {**F32, "data_offsets": [4, 12]}}, bytes(12)),
    "same span twice": file_of({"a": F32, "b": F32}, bytes(8)),
    "unknown dtype": file_of({"a": {**F32, "dtype": "F31"}}, bytes(8)),
    "shape against bytes": file_of({"a": {**F32, "shape": [3]}}, bytes(8)),
    "negative shape": file_of({"a": {**F32, "shape": [-2]}}, bytes(8)),
    "backward span": file_of({"a": {**F32, "data_offsets": [8, 0]}}, bytes(8)),
    "field missing": file_of({"a": {"dtype": "F32", "shape": [2]}}, bytes(8)),
    "field twice": file_of(b'{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}', bytes(8)),
    "metadata not strings": file_of({"__metadata__": {"a": 1}, "a": F32}, bytes(8)),
    "shape of floats": file_of({"a": {**F32, "shape": [2.0]}}, bytes(8)),
    "overflowing shape": file_of({"a": {**F32, "shape": [2**63, 2]}}, bytes(8)),
}


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("kind", BROKEN)
def test_refuses_what_safetensors_refuses(tmp_path, kind, mapped):
    with pytest.raises((SafetensorError, OverflowError)):
        load(BROKEN[kind])
    path = tmp_path / "broken.safetensors"
    path.write_bytes(BROKEN[kind])
    with pytest.raises(WeightsError, match=r"broken\.safetensors is "):
        read_tensorfile(path, mapped=mapped)


ENTRY = b'{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
ODD = {
    "name twice": file_of(b'{"a":' + ENTRY + b',"a":' + ENTRY + b"}", bytes(8)),
    "entry as a list": file_of(b'{"a":["F32",[2],[0,8]]}', bytes(8)),
    "another field": file_of(ENTRY.join((b'{"a":', b"}")).replace(b'"dtype"', b'"more":1,"dtype"'), bytes(8)),
    "spaces": file_of(b" {} \n", b""),
    "deep": file_of(b'{"a":' + b"[" * 100_000, b""),
    "surrogate": file_of(b'{"\\ud800":' + ENTRY + b"}", bytes(8)),
    "not a number": file_of(b'{"__metadata__":{"a":NaN},"a":' + ENTRY + b"}", bytes(8)),
    "a dtype that torch.load lacks": file_of(
        {"a": {"dtype": "F8_E8M0", "shape": [2], "data_offsets": [0, 2]}}, bytes(2)
    ),
    "float8": file_of({"a": {"dtype": "F8_E4M3FNUZ", "shape": [2], "data_offsets": [0, 2]}}, b"ab"),
    "endless shape": file_of({"a": {**F32, "shape": [0, 2**64 - 1], "data_offsets": [0, 0]}}, b""),
    "endless strides": file_of({"a": {**F32, "shape": [0, 2**63 - 1, 3], "data_offsets": [0, 0]}}, b""),
    "nothing before": file_of({"a": {**F32, "shape": [0], "data_offsets": [0, 0]}, "b": F32}, bytes(8)),
}


def judged_alike(path, data):
    """Whether our reader, mapped and not, refuses the bytes where safetensors does, and else gives
    the same tensors."""
    path.write_bytes(data)
    try:
        expected = load(data)
    except Exception:  # the library's own error, or what its Python part stumbles over
        for mapped in (False, True):
            with pytest.raises(WeightsError, match=r"^[^\n]*$"):
                read_tensorfile(path, mapped=mapped)
        return
    for mapped in (False, True):
        got = read_tensorfile(path, mapped=mapped)
        assert got.keys() == expected.keys()
        for name, tensor in expected.items():
            assert (got[name].dtype, got[name].shape) == (tensor.dtype, tensor.shape)
            assert bits(got[name]) == bits(tensor)


def bits(tensor):
    if tensor.dtype is torch.bool:  # any byte but zero is true, and copying makes it one
        return tensor.reshape(-1).tolist()
    return bytes(tensor.reshape(-1).view(torch.uint8).tolist())


@pytest.mark.parametrize("kind", [*BROKEN, *ODD])
def test_odd_files_are_judged_alike(tmp_path, kind):
    judged_alike(tmp_path / "x.safetensors", {**BROKEN, **ODD}[kind])


GOOD = file_of(
    {
        "__metadata__": {"format": "pt"},
        "a": F32,
        "b": {"dtype": "I64", "shape": [1, 1], "data_offsets": [8, 16]},
        "c": {"dtype": "BF16", "shape": [0, 3], "data_offsets": [16, 16]},
        "d": {"dtype": "BOOL", "shape": [], "data_offsets": [16, 17]},
    },
    bytes(range(16)) + b"\1",
)
PIECES = [b"", b"0", b"8", b"-", b"1e3", b"null", b'"F16"', b'"a"', b"{", b"}", b"[]", b",", b"\\u0061", b" ", b"\xff"]


@settings(deadline=None, max_examples=1000)
@given(
    changes=st.lists(
        st.tuples(
            st.integers(0, len(GOOD) - 1),
            st.integers(0, 4),
            st.one_of(st.sampled_from(PIECES), st.binary(max_size=2)),
        ),
        min_size=1,
        max_size=4,
    ),
    fitting=st.booleans(),
)
def test_any_mutated_file_is_judged_alike(tmp_path_factory, changes, fitting):
    """Bytes of a good file replaced, taken out and put in; where `fitting`, its length says how
    long its header is."""
    data = bytearray(GOOD)
    for position, length, piece in changes:
        data[position : position + length] = piece
    if fitting:
        data[:8] = struct.pack("<Q", max(len(data) - 8 - 17, 0))
    judged_alike(tmp_path_factory.getbasetemp() / "mutated.safetensors", bytes(data))


HEADERS = st.dictionaries(
    st.sampled_from(["a", "b", "__metadata__", "dtype", ""]),
    st.one_of(
        st.fixed_dictionaries(
            {
                "dtype": st.sampled_from(["F32", "F16", "I64", "BOOL", "F4", "C64", "f32", None]),
                "shape": st.lists(st.integers(0, 3), max_size=3),
                "data_offsets": st.tuples(st.integers(0, 24), st.integers(0, 24)),
            }
        ),
        st.dictionaries(st.text(max_size=2), st.text(max_size=2), max_size=2),
        st.none(),
    ),
    max_size=3,
)


@settings(deadline=None, max_examples=500)
@given(header=HEADERS, data=st.binary(max_size=24))
def test_any_header_is_judged_alike(tmp_path_factory, header, data):
    judged_alike(tmp_path_factory.getbasetemp() / "drawn.safetensors", file_of(header, data))


def test_a_tensor_may_be_called_dtype(tmp_path):
    save_file({"dtype": torch.ones(2), "shape": torch.zeros(1)}, tmp_path / "x.safetensors")
    assert torch.equal(read_tensorfile(tmp_path / "x.safetensors")["dtype"], torch.ones(2))


def test_mapped_tensors_start_where_kernels_expect_them(tmp_path):
    save_file({f"t{i}": torch.full((i + 1,), float(i)) for i in range(9)}, tmp_path / "x.safetensors")
    for name, tensor in read_tensorfile(tmp_path / "x.safetensors", mapped=True).items():
        assert tensor.data_ptr() % 16 == 0, name


def test_a_mapped_file_that_is_replaced_does_not_change_the_tensors(tmp_path):
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.ones(4096)}, path)
    mapped = read_tensorfile(path, mapped=True)["a"]
    save_file({"a": torch.zeros(4096)}, tmp_path / "new")
    (tmp_path / "new").replace(path)
    assert torch.equal(mapped, torch.ones(4096))


def test_a_read_file_may_be_truncated_afterwards(tmp_path):
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.ones(100_000)}, path)
    tensor = read_tensorfile(path)["a"]
    path.write_bytes(b"")
    assert torch.equal(tensor, torch.ones(100_000))


def test_what_is_written_safetensors_reads_and_it_needs_no_numpy() -> None:
    tensors = {
        "a": torch.arange(6.0).reshape(2, 3),
        "scalar": torch.tensor(3),
        "empty": torch.empty(0, 4, dtype=torch.bfloat16),
        "turned": torch.arange(6, dtype=torch.int16).reshape(2, 3).T,
        "bool": torch.tensor([True, False]),
        "eight bits": torch.ones(3, dtype=torch.float8_e4m3fn),
    }
    tied = {"one": tensors["a"], "other": tensors["a"]}
    written = load(tensorfile_of({**tensors, **tied}))
    assert written.keys() == tensors.keys() | tied.keys()
    for name, tensor in {**tensors, **tied}.items():
        assert written[name].dtype == tensor.dtype
        assert written[name].tolist() == tensor.tolist()
    assert (8 + int.from_bytes(tensorfile_of(tensors)[:8], "little")) % 16 == 0, "it can be mapped as it is"
    with pytest.raises(WeightsError, match=r"x is of torch\.complex128"):
        tensorfile_of({"x": torch.ones(1, dtype=torch.complex128)})
    program = (
        "import sys; sys.modules['numpy'] = None\n"
        "import torch, zoo_core\n"
        "from zoo_core.weights.files.safetensors import tensorfile_of\n"
        "print(len(tensorfile_of({'x': torch.ones(3)})))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
