from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoo_core.errors import ModelNameError
from zoo_core.names import (
    ModelName,
    get_arch_name,
    normalize_distribution,
    parse_model_name,
    split_model_name_tag,
)

WORD = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_]{0,8}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("resnet50", ModelName("resnet50")),
        ("resnet50.a1_in1k", ModelName("resnet50", "a1_in1k")),
        ("net.v1.2", ModelName("net", "v1.2")),
        ("zoo-resnet/resnet50", ModelName("resnet50", None, "zoo-resnet")),
        ("Zoo_ResNet/resnet50.a1", ModelName("resnet50", "a1", "zoo-resnet")),
        ("hf-hub:org/repo", ModelName(scheme="hf-hub", path="org/repo")),
        ("hf_hub:org/repo@main", ModelName(scheme="hf-hub", path="org/repo@main")),
        ("local-dir:/a b/c", ModelName(scheme="local-dir", path="/a b/c")),
        ("local-dir:C:\\weights", ModelName(scheme="local-dir", path="C:\\weights")),
    ],
)
def test_every_form_is_taken_apart(text: str, name: ModelName) -> None:
    assert parse_model_name(text) == name


@given(WORD, st.none() | WORD, st.none() | WORD)
def test_a_name_survives_being_written_and_read(architecture: str, tag: str | None, distribution: str | None) -> None:
    distribution = normalize_distribution(distribution) or None if distribution else None
    name = ModelName(architecture, tag, distribution)
    assert parse_model_name(str(name)) == name


EXPECTED = (
    "expected 'architecture', 'architecture.tag', 'distribution/architecture[.tag]', "
    "'hf-hub:org/repo' or 'local-dir:path'"
)


@pytest.mark.parametrize("text", ["", " ", "resnet 50", "a/b/c", "/a", "a/", ".a", "a.", "a..b", "é", "../x", "a\n"])
def test_a_malformed_name_says_what_was_expected(text: str) -> None:
    with pytest.raises(ModelNameError) as caught:
        parse_model_name(text)
    assert str(caught.value) == f"malformed model name {text!r}: {EXPECTED}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hfhub:org/repo", "unknown scheme 'hfhub' in model name 'hfhub:org/repo'. Did you mean 'hf-hub'?"),
        ("http://x", f"unknown scheme 'http' in model name 'http://x': {EXPECTED}"),
        ("local-dir:", f"model name 'local-dir:' lacks what follows the colon: {EXPECTED}"),
        (
            "hf-hub:/repo",
            "malformed Hub repository in model name 'hf-hub:/repo': expected 'hf-hub:org/repo[@revision]'",
        ),
        (
            "hf-hub:a/b/c",
            "malformed Hub repository in model name 'hf-hub:a/b/c': expected 'hf-hub:org/repo[@revision]'",
        ),
        (7, "model name must be a str, not int: 7"),
        (None, "model name must be a str, not NoneType: None"),
    ],
)
def test_other_mistakes_have_their_own_message(text: object, message: str) -> None:
    with pytest.raises(ModelNameError) as caught:
        parse_model_name(text)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_split_and_arch_name() -> None:
    assert split_model_name_tag("resnet50.a1_in1k") == ("resnet50", "a1_in1k")
    assert split_model_name_tag("resnet50") == ("resnet50", "")
    assert split_model_name_tag("resnet50", no_tag="x") == ("resnet50", "x")
    assert get_arch_name("zoo-resnet/resnet50.a1_in1k") == "resnet50"
    with pytest.raises(ModelNameError, match="'hf-hub:a/b' names a repository or folder, not an architecture"):
        get_arch_name("hf-hub:a/b")
