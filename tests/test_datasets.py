"""The shipped tables: shape, types, a few printed values, and a fresh frame each time."""

import pandas as pd
import pytest
from numpy.testing import assert_allclose

from robustreg import datasets

# shape, target, (first, last) value of the target, mean of the target: from the printed tables
TABLES = {
    "load_phones": ((24, 2), "calls", (4.4, 29.0), 49.99166666666667),
    "load_stackloss": ((21, 4), "stack_loss", (42, 15), 17.523809523809526),
    "load_coleman": ((20, 6), "verbal_score", (37.01, 41.01), 35.0825),
    "load_condroz": ((428, 2), "calcium", (340.0, 920.9), 416.68574766355141),
    "load_grunfeld": ((220, 3), "invest", (317.6, 6.281), 133.3119),
    "load_hbk": ((75, 4), "y", (9.7, 0.2), 1.2786666666666666),
    "load_radar_image": ((1573, 5), "band_1", (157.2, -457.8), -18.623326764144956),
    "load_stars": ((47, 2), "log_light", (5.23, 4.50), 5.012127659574468),
    "load_state_crime": ((51, 6), "murder", (7.1, 2.0), 4.9),
    "load_engel": (
        (235, 2),
        "food_expenditure",
        (255.839424594576, 750.320163419201),
        624.1501113133555,
    ),
}


def test_every_loader_is_tested():
    assert sorted(TABLES) == sorted(datasets.__all__)


@pytest.mark.parametrize("name", datasets.__all__)
def test_table(name):
    shape, target, ends, mean = TABLES[name]
    frame = getattr(datasets, name)()
    assert isinstance(frame, pd.DataFrame)
    assert frame.shape == shape
    assert frame.columns[-1] == target
    assert all(pd.api.types.is_numeric_dtype(dtype) for dtype in frame.dtypes)
    assert not frame.isna().any(axis=None)
    assert_allclose(frame[target].iloc[[0, -1]], ends, rtol=1e-6)
    assert_allclose(frame[target].mean(), mean, rtol=1e-9)


@pytest.mark.parametrize("name", datasets.__all__)
def test_each_call_returns_a_new_frame(name):
    load = getattr(datasets, name)
    frame = load()
    frame[:] = 0
    assert load().to_numpy().any()
