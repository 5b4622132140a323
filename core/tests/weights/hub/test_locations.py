"""References to repositories of the Hub."""

import pytest
from zoo_core.config import PretrainedCfg
from zoo_core.errors import WeightsError, ZooError
from zoo_core.weights.fetch import fetch_weights
from zoo_core.weights.hub.locations import split_reference


@pytest.mark.parametrize(
    "location",
    ["org/repo@../../x", "org/repo@/etc", "org/repo@a//b", "org/repo@a\\b", "org/repo@", "../repo", "/etc", "org/..",
     "org/re po", "a/b/c", "org/repo@x\n", "org/repo@" + "a" * 300, "org/repo@.."],
)  # fmt: skip
def test_a_reference_that_leads_elsewhere_is_refused(location: str) -> None:
    with pytest.raises(WeightsError):
        split_reference(location)
    with pytest.raises(ZooError):
        fetch_weights(PretrainedCfg(hf_hub_id=location))


def test_references_of_the_hub_are_taken_apart() -> None:
    assert split_reference("gpt2") == ("gpt2", "main")
    assert split_reference("timm/resnet50.a1_in1k@refs/pr/1") == ("timm/resnet50.a1_in1k", "refs/pr/1")
