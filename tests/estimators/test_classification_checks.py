"""scikit-learn's own checks of the classifiers, with no expected failures."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from robustreg import (
    DiceClassifier,
    FocalClassifier,
    HingeClassifier,
    KLRegressor,
    LogisticClassifier,
    PolyClassifier,
    RobustClassifier,
)
from robustreg.losses import Focal


class SharesOfRange(RegressorMixin, BaseEstimator):
    """A regressor made of KLRegressor: y becomes how it divides its range, and back.

    The checks cannot supply distributions, so their numbers are turned into some.
    """

    def __init__(self, alpha=1.0, l1_ratio=0.0, fit_intercept=True, solver="auto"):
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.solver = solver

    def fit(self, X, y, sample_weight=None):
        X, y = validate_data(self, X, y, accept_sparse="csr", y_numeric=True, dtype=None)
        y = column_or_1d(y, warn=True).astype(float)
        # A range of powers of two, so that rows of weight zero do not move it.
        self.reach_ = 2.0 ** np.ceil(np.log2(np.abs(y).max() + 1.0))
        share = 0.5 + 0.25 * y / self.reach_
        self.model_ = KLRegressor(**self.get_params())
        self.model_.fit(X, np.column_stack([1 - share, share]), sample_weight=sample_weight)
        self.n_iter_ = self.model_.n_iter_
        return self

    def predict(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", reset=False, dtype=None)
        return (self.model_.predict(X)[:, 1] - 0.5) * 4 * self.reach_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


# One check gives class 0 ten million times the weight of the others and wants it predicted: that asks
# for an intercept, and of the Dice loss for some smoothing.
SETTINGS = [
    LogisticClassifier(),
    LogisticClassifier(alpha=0.1, class_weight="balanced", warm_start=True),
    LogisticClassifier(alpha=10.0, solver="newton-cg"),
    HingeClassifier(),
    HingeClassifier(squared=True, alpha=0.1),
    HingeClassifier(class_weight="balanced", alpha=10.0),
    FocalClassifier(),
    FocalClassifier(gamma=0.5, alpha=0.1, class_weight="balanced"),
    FocalClassifier(gamma=5.0, alpha=10.0),
    PolyClassifier(),
    PolyClassifier(epsilon=-1.0, alpha=0.1, class_weight="balanced"),
    PolyClassifier(epsilon=5.0, alpha=10.0),
    DiceClassifier(),
    DiceClassifier(smooth=10.0, alpha=0.1),
    DiceClassifier(alpha=10.0, class_weight="balanced", warm_start=True),
    RobustClassifier(),
    RobustClassifier(loss="hinge", alpha=0.1, l1_ratio=0.5),
    # a weaker bounded penalty has no minimum where classes can be separated
    RobustClassifier(loss=Focal(gamma=1.0), alpha=5.0, penalty="scad"),
    RobustClassifier(loss="dice", penalty="group_lasso", alpha=0.1),
    RobustClassifier(loss="cross_entropy", penalty="group_lasso", alpha=0.1),
    SharesOfRange(alpha=1e-3),
    SharesOfRange(alpha=1.0, fit_intercept=False),
    SharesOfRange(alpha=1e-4, solver="lbfgs"),
]


@pytest.fixture(autouse=True)
def two_classes_whatever_the_order(monkeypatch):
    """Let scikit-learn 1.6 make two classes of three as later releases do.

    By the label of the first row it makes others of rows that it has shuffled, and finds fits
    different that are to different targets: its issue 30770.
    """

    def by_the_smallest(estimator, y):
        tags = estimator.__sklearn_tags__().classifier_tags
        if tags is not None and not tags.multi_class:
            return np.where(y == y.min(), y, y.min() + 1)
        return enforce(estimator, y)

    enforce = estimator_checks._enforce_estimator_tags_y
    if enforce(DiceClassifier(), np.array([1, 0])).tolist() != [1, 0]:
        monkeypatch.setattr(estimator_checks, "_enforce_estimator_tags_y", by_the_smallest)


@pytest.mark.filterwarnings("ignore:.*SCIPY_ARRAY_API:Warning")
@parametrize_with_checks(SETTINGS)
def test_scikit_learn_check(estimator, check):
    check(estimator)
