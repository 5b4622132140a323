from __future__ import annotations

import re
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st
from zoo_core.names import natural_merge, natural_sort

NAMES = st.lists(st.from_regex(r"[A-Za-z0-9_\-./é]{1,12}", fullmatch=True))


def padded(name: str) -> str:
    return re.sub(r"[0-9]+", lambda match: match[0].zfill(12), name)


def test_numbers_are_numbers() -> None:
    names = ["resnet101", "resnet18", "densenet264d", "resnet18d", "densenet121", "resnet2_10", "resnet2_9", "b", ""]
    assert natural_sort(filter(None, names)) == [
        *("b", "densenet121", "densenet264d", "resnet2_9", "resnet2_10", "resnet18", "resnet18d", "resnet101")
    ]
    assert natural_sort(["a" + "9" * 30, "a10", "a9"]) == ["a9", "a10", "a" + "9" * 30]
    assert natural_sort([]) == natural_merge([]) == natural_merge([[]]) == []


@given(NAMES)
def test_equals_a_sort_with_padded_numbers(names: list[str]) -> None:
    assert natural_sort(names) == sorted(sorted(names), key=padded)


@given(st.lists(NAMES))
def test_merging_sorted_lists_equals_sorting_them_all(lists: list[list[str]]) -> None:
    merged = natural_merge([natural_sort(names) for names in lists])
    assert list(map(padded, merged)) == list(map(padded, natural_sort(name for names in lists for name in names)))


def test_one_long_number_makes_no_other_name_long() -> None:
    names = [f"net{number}" for number in range(2000)]
    tracemalloc.start()
    try:
        assert natural_sort([*names, "x" + "1" * 100_000])[:2000] == names
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()
