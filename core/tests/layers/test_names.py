"""Wrong names of layers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from zoo_core.errors import OptionError
from zoo_core.layers import SelectAdaptivePool2d, get_aa_layer, get_act_layer, get_attn, get_norm_layer


@pytest.mark.parametrize(
    ("get", "wrong", "message"),
    [
        (get_act_layer, "gellu", "unknown activation 'gellu'. Did you mean 'gelu'"),
        (get_norm_layer, "batchnrm", "unknown normalisation 'batchnrm'. Did you mean 'batchnorm'"),
        (get_attn, "ecaa", "unknown attention layer 'ecaa'. Did you mean 'eca'"),
        (get_aa_layer, "bluer", "unknown anti-aliasing layer 'bluer'. Did you mean 'blur'"),
        (SelectAdaptivePool2d, "avgmx", "unknown global_pool 'avgmx'. Did you mean 'avgmax'"),
    ],
)
def test_an_unknown_name_raises_with_the_nearest(get: Callable[[str], object], wrong: str, message: str) -> None:
    with pytest.raises(OptionError) as error:
        get(wrong)
    assert message in str(error.value)
