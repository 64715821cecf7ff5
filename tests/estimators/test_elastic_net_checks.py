"""scikit-learn's own checks of every estimator that has an elastic net, with one."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import robustreg
from tests.estimators.test_classification_checks import (
    SharesOfRange,
    two_classes_whatever_the_order,  # noqa: F401
)
from tests.test_public import ESTIMATORS

ELASTIC = [cls(l1_ratio=0.5) for cls in ESTIMATORS if "l1_ratio" in cls().get_params()]
#: of targets that are distributions, which the checks cannot make
SHARES = robustreg.KLRegressor
# the checks set alpha to 0.01; a penalty that counts beside their tables of 30 rows has its own tests
SETTINGS = [model for model in ELASTIC if not isinstance(model, SHARES)]
SETTINGS += [SharesOfRange(alpha=1e-3, l1_ratio=0.5)]


def test_no_estimator_with_a_penalty_is_left_out():
    penalised = {cls for cls in ESTIMATORS if "alpha" in cls().get_params()}
    without = penalised - {type(model) for model in ELASTIC}
    assert without <= {robustreg.HuberRegressorCV, robustreg.LinearEmbedding}


@pytest.mark.filterwarnings("ignore:.*SCIPY_ARRAY_API:Warning")
@parametrize_with_checks(SETTINGS)
def test_scikit_learn_check(estimator, check):
    check(estimator)
