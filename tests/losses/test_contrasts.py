"""Contrasts of many classes and of many rows are those of the basis, whatever way they are computed."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from robustreg.losses import CrossEntropy, Focal, Poly
from robustreg.losses._contrasts import Contrasts, helmert


@pytest.mark.parametrize("n_classes", [3, 24, 60])
@pytest.mark.parametrize("n", [1, 7, 2000])
def test_values_and_derivatives_are_those_of_the_basis(n, n_classes):
    rng = np.random.default_rng(0)
    basis, loss = helmert(n_classes), CrossEntropy()
    raw, d_raw = rng.normal(size=(2, n, n_classes - 1))
    y, weight = rng.integers(n_classes, size=n), rng.uniform(0.5, 2.0, size=n)
    value, slope, _ = Contrasts(loss).value_gradient(y, raw, weight, None)
    expected, pull, _ = loss.value_gradient(y, raw @ basis, weight, None)
    assert_allclose(value, expected)
    assert_allclose(slope, pull @ basis.T, atol=1e-13)
    bend, _ = Contrasts(loss).curvature(y, raw, weight, None, d_raw, None)
    expected, _ = loss.curvature(y, raw @ basis, weight, None, d_raw @ basis, None)
    assert_allclose(bend, expected @ basis.T, atol=1e-13)
    unit = np.eye(n_classes - 1)[0]  # one direction for all rows
    bend, _ = Contrasts(loss).curvature(y, raw, weight, None, unit, None)
    expected, _ = loss.curvature(y, raw @ basis, weight, None, unit @ basis, None)
    assert_allclose(bend, expected @ basis.T, atol=1e-13)


@pytest.mark.parametrize("n_classes", [3, 60])
def test_one_that_takes_whole_scores_is_its_base(n_classes):
    rng = np.random.default_rng(1)
    loss, basis = Contrasts().unmixed(n_classes - 1)
    assert_allclose(basis, helmert(n_classes))
    raw, d_raw = rng.normal(size=(2, 700, n_classes))
    y, weight = rng.integers(n_classes, size=700), rng.uniform(0.5, 2.0, size=700)
    rest = (y, raw, weight, None)
    for found, expected in [
        (loss.value_gradient(*rest)[:2], CrossEntropy().value_gradient(*rest)[:2]),
        (loss.curvature(*rest, d_raw, None)[:1], CrossEntropy().curvature(*rest, d_raw, None)[:1]),
        ([loss.own_curvature(*rest)], [CrossEntropy().own_curvature(*rest)]),
    ]:
        for one, other in zip(found, expected, strict=True):
            assert_allclose(one, other, atol=1e-13)


@pytest.mark.parametrize("whole", [False, True])
def test_rates_make_the_hessian_of_each_row(whole):
    rng = np.random.default_rng(2)
    labels, raw, weight = rng.integers(4, size=9), rng.normal(size=(9, 3)), rng.uniform(1, 2, 9)
    y = rng.uniform(0.1, 1.0, size=(9, 4)) if whole else labels  # shares of classes, of any sum
    loss = Contrasts()
    rates, basis = loss.rates(y, raw, weight)
    for k, unit in enumerate(np.eye(3)):
        bend = loss.curvature(y, raw, weight, None, unit, None)[0]
        for row, r in enumerate(rates):
            hessian = basis @ (np.diag(r) - np.outer(r, r) / r.sum()) @ basis.T
            assert_allclose(hessian[k], bend[row], atol=1e-14)


@pytest.mark.parametrize("loss", [CrossEntropy(), Focal(gamma=2.0), Focal(gamma=0.5), Poly()])
def test_own_curvature_of_many_classes_is_the_diagonal_of_the_hessian(loss):
    rng = np.random.default_rng(3)
    y, raw = rng.integers(5, size=11), 2 * rng.normal(size=(11, 5))
    rest = (y, raw, rng.uniform(0.5, 2.0, size=11), None)
    found = loss.own_curvature(*rest)
    for k, unit in enumerate(np.eye(5)):
        assert_allclose(found[:, k], loss.curvature(*rest, unit, None)[0][:, k], atol=1e-13)
