"""Newton's method beside what is not smooth, where the function is not convex."""

import numpy as np
import pytest

from robustreg import DiceClassifier
from robustreg.solvers._proximal_newton import lifted


@pytest.mark.parametrize("q", [1, 2, 5, 30])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_lifted_matrix_is_definite_and_keeps_what_is(q, share):
    rng = np.random.default_rng(q)
    moving = np.arange(q) < share * q
    H = rng.normal(size=(q, q))
    H = H + H.T
    H[np.ix_(moving, moving)] += 3 * np.sqrt(q) * np.eye(moving.sum())
    H[np.ix_(~moving, ~moving)] -= np.eye((~moving).sum())
    positive = lifted(H, moving)
    values = np.linalg.eigvalsh(positive)
    assert values.min() > 1e-12 * values.max()
    if np.linalg.eigvalsh(H[np.ix_(moving, moving)]).min(initial=1.0) > 0:
        np.testing.assert_array_equal(positive[np.ix_(moving, moving)], H[np.ix_(moving, moving)])
        np.testing.assert_array_equal(positive[np.ix_(~moving, moving)], H[np.ix_(~moving, moving)])


@pytest.mark.parametrize("seed", [6, 11, 14])
def test_a_loss_that_is_not_convex_ends_quadratically(seed):
    """All coefficients end at zero, where the Hessian is not definite; the intercept alone moves."""
    rng = np.random.default_rng(seed)
    X, y = rng.uniform(size=(15, 30)), (np.arange(15) >= 2).astype(int)
    weight = rng.integers(0, 5, size=15)
    model = DiceClassifier(l1_ratio=0.5).fit(X, y, sample_weight=weight)
    repeated = DiceClassifier(l1_ratio=0.5).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    assert not model.coef_.any()
    assert model.n_iter_ <= 25
    assert model.optimality_ < 1e-12
    np.testing.assert_allclose(model.intercept_, repeated.intercept_, rtol=1e-10)
