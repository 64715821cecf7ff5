"""How far it is from `fit` to a loss's formula: frames of the package, and files that they are in."""

import os
import sys

import pytest

import robustreg
from robustreg import (
    DiceClassifier,
    HingeClassifier,
    HuberRegressor,
    L1Regressor,
    LogisticClassifier,
    RobustRegressor,
)
from tests._fits import classes, regression

PACKAGE = os.path.dirname(robustreg.__file__) + os.sep
#: the most that there are; a change may lower them
MOST = {
    "Huber": (HuberRegressor(), regression(200, 5), 10, 8),
    "Huber, joint scale": (HuberRegressor(scale="concomitant"), regression(200, 5), 11, 8),
    "L1": (L1Regressor(), regression(200, 5), 8, 5),
    "L1, many rows": (L1Regressor(), regression(40_000, 10), 12, 8),
    "logistic": (LogisticClassifier(), classes(200, 5), 8, 6),
    "multinomial": (LogisticClassifier(), classes(300, 4, 3), 10, 7),
    "hinge": (HingeClassifier(), classes(200, 5), 9, 6),
    "squared hinge": (HingeClassifier(squared=True), classes(200, 5), 8, 6),
    "Dice": (DiceClassifier(), classes(200, 5), 11, 8),
    "Tukey": (RobustRegressor(loss="tukey"), regression(200, 5), 10, 8),
}


def deepest(model, X, y):
    """Return how many frames of the package there are down to the first of a loss, and how many files, at the most."""
    most = [0, 0]

    def look(frame, event, _):
        if event != "call" or not frame.f_code.co_filename.startswith(f"{PACKAGE}losses"):
            return
        files = []
        while frame is not None:
            file = frame.f_code.co_filename
            # scikit-learn has a decorator of its own from 1.9 on; before, one of ours stands in
            if file.startswith(PACKAGE) and not file.endswith("_callbacks.py"):
                files.append(file)
            frame = frame.f_back
        first = next(i for i, file in enumerate(files[::-1]) if "losses" in file[len(PACKAGE) :])
        files = files[::-1][: first + 1]
        most[:] = max(most[0], len(files)), max(most[1], len(set(files)))

    outer = sys.getprofile()
    sys.setprofile(look)
    try:
        model.fit(X, y)
    finally:
        sys.setprofile(outer)
    return most


@pytest.mark.parametrize("name", MOST)
def test_from_fit_to_formula(name):
    model, data, frames, files = MOST[name]
    found = deepest(model, *data)
    assert found[0] <= frames
    assert found[1] <= files
