"""The checks as a list: their texts and their order."""

from __future__ import annotations

from zoo_kit.conformance.run import checks


def test_every_check_says_why_and_what_to_do() -> None:
    for check in checks():
        assert check.name.replace("-", "").islower()
        for line in (check.reason, check.remedy):
            assert 20 < len(line) < 140, check.name
            assert "\n" not in line
            assert not line.endswith(".")


def test_initialisation_comes_before_what_follows_from_it() -> None:
    names = [check.name for check in checks()]
    assert names.index("initialisation") < min(map(names.index, ("forward", "num-classes", "wrappers", "script")))
