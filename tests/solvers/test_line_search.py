"""Lengths of a step, from what a function of one variable says along it."""

import numpy as np
import pytest

from robustreg.solvers._line_search import FLAT, SHORT, LineSearch, Point


def searched(function, slope_of, step=1.0, slope=None, lower=None, most=50):
    """Search from zero along a step, and return the search and the lengths that were tried."""

    def point(x):
        return Point(x, function(x[0]), np.array([slope_of(x[0])]))

    start, step = point(np.zeros(1)), np.array([step])
    slope = float(start.gradient @ step) if slope is None else slope
    search = LineSearch(start, step, slope, None if lower is None else np.array([lower]))
    tried = []
    while search.going:
        tried.append(search.length)
        search.judge(point(search.length * step))
        assert len(tried) < most
    return search, tried


def test_a_step_to_the_minimum_is_taken_whole():
    search, tried = searched(lambda x: (x - 1) ** 2, lambda x: 2 * (x - 1))
    assert tried == [1.0] and search.taken == 1.0
    assert search.best.x == 1.0


def test_a_step_too_far_is_cut_to_the_minimum_of_the_parabola():
    search, tried = searched(lambda x: (x - 1) ** 2, lambda x: 2 * (x - 1), step=2.5)
    assert tried == [1.0, 0.4] and search.best.x == pytest.approx(1.0)


def test_a_short_one_goes_on_to_where_the_line_is_level():
    def kinked(x):  # steep for a moment, then nearly level, then steep again
        return np.where(
            x < 0.01, -10 * x, np.where(x < 0.2, -0.1 - (x - 0.01), -0.29 + 40 * (x - 0.2))
        )

    def slope(x):
        return -10.0 if x < 0.01 else -1.0 if x < 0.2 else 40.0

    search, _ = searched(kinked, slope)
    assert search.taken < SHORT
    assert abs(search.best.gradient[0]) <= FLAT * 10.0
    # beside a bound it stays where it was found
    search, _ = searched(kinked, slope, lower=-1.0)
    assert kinked(search.best.x[0]) < 0


def test_where_nothing_falls_nothing_is_tried():
    search, tried = searched(lambda x: x, lambda x: 1.0)
    assert not tried and search.best is None


def test_a_slope_that_lies_ends_in_vain():
    search, tried = searched(lambda x: 10 + x, lambda x: 1.0, slope=-1.0, most=100)
    assert search.best is None and tried == sorted(tried, reverse=True)


def test_infinite_values_are_stepped_back_from():
    search, tried = searched(
        lambda x: (x - 1) ** 2 if x < 2 else np.inf, lambda x: 2 * (x - 1), step=10.0
    )
    assert tried[:2] == [1.0, 0.1] and search.best.x == pytest.approx(1.0)


def test_bounds_are_kept():
    search, tried = searched(lambda x: (x + 1) ** 2, lambda x: 2 * (x + 1), step=-1.0, lower=-0.5)
    assert max(tried) < 0.5 and search.best.x > -0.5


def test_values_that_rounding_hides_leave_it_to_the_slope():
    search, tried = searched(lambda x: 1e18 + (x - 1) ** 2, lambda x: 2 * (x - 1))
    assert tried == [1.0] and search.best.x == 1.0
