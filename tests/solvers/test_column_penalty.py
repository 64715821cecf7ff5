"""Distances from the subdifferential, against its definition."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from robustreg.penalties._sizes import sizes
from robustreg.solvers._column_penalty import least_group_subgradient, least_subgradient
from robustreg.solvers._grouped_quadratic import GroupLimits
from robustreg.solvers._penalised_quadratic import Limits


def test_least_subgradient_of_single_coefficients_is_the_least_of_all():
    rng = np.random.default_rng(0)
    v = np.array([0.0, 0.0, 0.0, 1.5, -2.0, 0.0])
    positive = np.array([False, False, True, True, False, True])
    for gradient in rng.normal(scale=2.0, size=(20, 6)):
        l1 = rng.uniform(0.0, 2.0, 6)
        found = least_subgradient(v, gradient, l1, positive)
        for j in range(6):
            if v[j] != 0:
                slopes = l1[j] * np.array([np.sign(v[j])])
            else:  # at a bound every slope below is one, too
                slopes = np.linspace(-50.0 if positive[j] else -l1[j], l1[j], 100_001)
            assert_allclose(abs(found[j]), np.abs(gradient[j] + slopes).min(), atol=1e-3)
        limits = Limits(l1, positive)
        assert_allclose(limits.excess(v, gradient), np.abs(found))


@pytest.mark.parametrize("outputs", [None, 3])
def test_least_subgradient_of_groups_is_a_projection(outputs):
    rng = np.random.default_rng(1)
    labels = np.array([0, 1, 0, 2, 2, 1])
    shape = (6,) if outputs is None else (6, outputs)
    v = rng.normal(size=shape)
    v[labels == 1] = 0.0
    for gradient in rng.normal(scale=1.0, size=(20, *shape)):
        l1 = rng.uniform(0.0, 4.0, 3)
        found = least_group_subgradient(v, gradient, l1, labels)
        for g in range(3):
            own, pull = v[labels == g], gradient[labels == g]
            size, force = np.linalg.norm(own), np.linalg.norm(pull)
            if size > 0:
                expected = pull + l1[g] * own / size
            else:
                expected = pull - pull * min(1.0, l1[g] / force)  # less its projection on a ball
            assert_allclose(found[labels == g], expected, atol=1e-14)


def test_excess_of_groups_leaves_free_coefficients_as_they_are():
    limits = GroupLimits(np.array([1.0, 2.0]), np.array([0, -1, 0, 1]))
    gradient = np.array([3.0, -5.0, 4.0, 1.0])
    assert_allclose(limits.excess(np.zeros(4), gradient), [4.0, 0.0, 5.0])
    at = np.array([0.0, 7.0, 2.0, 0.0])
    assert_allclose(limits.excess(at, gradient), [np.hypot(3.0, 5.0), 0.0, 5.0])


def test_what_is_no_number_has_no_size():
    assert np.isnan(sizes(np.array([np.nan, 1.0]), np.array([0, 0]))).all()
