"""A default config is checked where it is made: every field, whoever wrote it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo_core.config import PretrainedCfg
from zoo_core.config_fields import FIELDS
from zoo_core.errors import ConfigError

NAN, INFINITY = float("nan"), float("inf")

WRONG: dict[str, list[Any]] = {
    "url": [3, ["https://x"], "https://x/\x1b[2J", "\udce9", b"x"],
    "file": [3, "a\0b"],
    "hf_hub_id": [{}, "org/repo\n"],
    "hf_hub_filename": [0, "\x9b"],
    "sha256": ["abc", "x" * 64, "a" * 65, 12345678],
    "size": [-1, 1.5, True, "12"],
    "architecture": [1, "resnet\n50"],
    "tag": [1, ["a"]],
    "custom_load": ["hf", 1, None],
    "input_size": [
        224,
        (224, 224),
        (3, 0, 224),
        (3, 224.0, 224),
        (3, -1, 1),
        (3, True, 3),
        None,
        "224",
        (3, 1 << 17, 3),
    ],
    "test_input_size": [(3, 224), (3, NAN, 3), {}],
    "min_input_size": ["x", (1, 2, 3, 4)],
    "fixed_input_size": [0, "no"],
    "interpolation": [None, 3, "bi\x07cubic"],
    "crop_pct": [0, -1, 11, NAN, INFINITY, "0.9", None, True, 10**400],
    "test_crop_pct": [0, NAN, "1"],
    "crop_mode": [None, 1],
    "mean": [0.5, (), (NAN,), ("0.5",), None, (10**400,)],
    "std": [(0.2, 0.0, 0.2), (-1,), (INFINITY,), 1],
    "num_classes": [-1, "10", 10.0, NAN, True, 10_000_001, None],
    "label_offset": [-1, 0.5, None],
    "label_names": ["cat", [1, 2], ["a\x1b]0;x\x07"], {"a": "b"}],
    "label_descriptions": [["a"], {"a": 1}, {1: "a"}, {"a": "\x1b"}],
    "pool_size": [7, (7,), (0, 7), (7, 7, 7)],
    "first_conv": [3, [3], {}],
    "classifier": [0, [None], "fc\n"],
    "license": [["mit"], {}, "mit\x1b"],
    "description": [3, "a\x1b[31m", "\x9b"],
    "origin_url": [3],
    "paper_name": [["a"]],
    "paper_ids": [2010.11929, [1]],
    "notes": ["one note", [1], ["\x07"]],
    "metrics": [[1], {"top1": "80"}, {"top1": NAN}, {"top1": True}, {"a\nb": 1}],
}


def test_every_field_has_its_check() -> None:
    assert list(FIELDS) == [field.name for field in dataclasses.fields(PretrainedCfg)]
    assert WRONG.keys() == FIELDS.keys()
    for name, field in PretrainedCfg.__dataclass_fields__.items():
        assert FIELDS[name][1](field.default), name


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in WRONG.items() for value in values])
def test_a_wrong_value_is_one_line_that_names_field_value_and_what_was_expected(field: str, value: Any) -> None:
    for make in (PretrainedCfg.from_dict, PretrainedCfg().overlaid, lambda values: PretrainedCfg(**values)):
        with pytest.raises(ConfigError) as caught:
            make({field: value})
        text = str(caught.value)
        assert text.startswith(f"default config field {field!r} must be {FIELDS[field][0]}, not ")
        assert text.isprintable()
        assert len(text) < 250


def test_what_the_field_writes_is_read() -> None:
    """Whole numbers for floats, lists for tuples, missing fields, text of any language."""
    values = {
        "crop_pct": 1,
        "mean": [0, 0, 0],
        "std": [1, 1, 1],
        "input_size": [3, 224, 224],
        "classifier": ["head", "head_dist"],
        "notes": ["two\nlines"],
        "description": "Grüße\tan\n日本　👩‍👩‍👧",
        "label_names": ["Köter", "犬"],
        "metrics": {"top1": 80},
        "sha256": "0A" * 32,
    }
    cfg = PretrainedCfg.from_dict(json.loads(json.dumps(values)))
    assert cfg.input_size == (3, 224, 224)
    assert cfg.classifier == ("head", "head_dist")
    assert PretrainedCfg.from_dict(json.loads(json.dumps(cfg.to_json()))) == cfg


def test_what_is_no_mapping_and_keys_that_are_no_text() -> None:
    with pytest.raises(ConfigError, match=r"a default config must be a mapping, not \[1\]"):
        PretrainedCfg.from_dict([1])  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="unknown default config field '3'"):
        PretrainedCfg.from_dict({3: 1, "url": None, None: 2})  # type: ignore[dict-item]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=500, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(FIELDS)) | st.text(max_size=9), ANYTHING, max_size=4))
def test_a_config_is_made_or_refused_by_a_config_error(values: dict[str, Any]) -> None:
    try:
        cfg = PretrainedCfg.from_dict(values)
    except ConfigError:
        return
    assert PretrainedCfg.from_dict(json.loads(json.dumps(cfg.to_json()))) == cfg


def test_it_is_shown_by_what_is_set_and_no_longer_than_a_paragraph():
    cfg = PretrainedCfg(architecture="a", tag="b", num_classes=1000, label_names=tuple(map(str, range(1000))))
    assert repr(cfg) == "PretrainedCfg(architecture='a', tag='b', label_names=('0', '1', '2', '3', '4', '5', ...))"
    assert eval(repr(PretrainedCfg(url="file:a", crop_pct=1.0))) == PretrainedCfg(url="file:a", crop_pct=1.0)
    table = PretrainedCfg(architecture="a", description="<script>")._repr_html_()
    assert "<th>architecture</th><td>&#x27;a&#x27;</td>" in table
    assert "<script>" not in table
