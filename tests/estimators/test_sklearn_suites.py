"""scikit-learn's own test files for the estimators that ours replace, run on ours.

Private copies of the installed files are executed, with the class's name bound to ours; nothing of
them is copied here, and scikit-learn's own modules stay as they are.
"""

import importlib.util
from functools import partial

import pytest

import robustreg

# What scikit-learn's defaults are, where ours differ: the file expects the answers of its objective.
HuberRegressor = partial(robustreg.HuberRegressor, scale="concomitant", epsilon=1.35)

SUITES = {
    "sklearn.linear_model.tests.test_huber": {"HuberRegressor": HuberRegressor},
    # its HuberRegressor stays scikit-learn's: something else to be compared with
    "sklearn.linear_model.tests.test_quantile": {"QuantileRegressor": robustreg.QuantileRegressor},
}
# It calls the private function that evaluates scikit-learn's objective, and no estimator.
NOT_OURS = {"test_huber_gradient"}
# One asks for a single iteration and gets the warning that is due; in the other scikit-learn's own
# HuberRegressor warns.
WARNS = {"test_huber_max_iter", "test_quantile_equals_huber_for_low_epsilon"}


@pytest.fixture
def global_random_seed():
    """Stand for the fixture of scikit-learn's conftest, at its default."""
    return 42


def adopted(name, replacements):
    """Return tests and fixtures of a module in which some names are bound to something else."""
    spec = importlib.util.find_spec(name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert set(replacements) <= set(vars(module))
    vars(module).update(replacements)
    fixture = type(global_random_seed)
    found = {
        key: value
        for key, value in vars(module).items()
        if (key.startswith("test_") and key not in NOT_OURS) or isinstance(value, fixture)
    }
    for key in WARNS & set(found):
        mark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
        found[key] = mark(found[key])
    return found


for _suite in SUITES.items():
    globals().update(adopted(*_suite))


def test_suites_were_found():
    names = {name for name in globals() if name.startswith("test_")}
    assert {"test_huber_warm_start", "test_sparse_input"} <= names
    assert len(names) > 18
