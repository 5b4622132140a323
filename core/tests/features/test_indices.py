import pytest
from zoo_core.errors import FeatureError
from zoo_core.features.indices import feature_indices


@pytest.mark.parametrize(
    ("indices", "expected"),
    [
        (None, [0, 1, 2, 3, 4]),
        (2, [3, 4]),
        (5, [0, 1, 2, 3, 4]),
        ((0, 2), [0, 2]),
        ([3, 1], [3, 1]),
        ((-1, 0), [4, 0]),
    ],
)
def test_indices_come_back_resolved_in_the_order_asked_for(indices, expected):
    assert feature_indices(indices, 5) == expected


@pytest.mark.parametrize(
    "indices", [(5,), (-6,), (0, 9), 0, 6, -1, (), (1, 1), (4, -1), (1.0,), "12", True, (True,), {1}]
)
def test_what_is_no_set_of_maps_is_refused_with_the_range(indices):
    with pytest.raises(FeatureError, match=r"5 feature maps: indices -5 to 4"):
        feature_indices(indices, 5)


def test_the_message_names_the_culprit():
    with pytest.raises(FeatureError, match=r"out_indices \(0, 9\): 9 is out of range"):
        feature_indices((0, 9), 5)
    with pytest.raises(FeatureError, match="map 4 is asked for twice"):
        feature_indices((4, -1), 5)
