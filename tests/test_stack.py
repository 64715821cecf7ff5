"""How far it is from `fit` to a loss's formula: frames of the package, and files that they are in."""

import os
import sys

import pytest

import robustreg
from robustreg import (
    DiceClassifier,
    HuberRegressor,
    L1Regressor,
    LogisticClassifier,
    RobustRegressor,
)
from tests._fits import classes, regression

PACKAGE = os.path.dirname(robustreg.__file__) + os.sep
#: the most that there are; a change may lower them
MOST = {
    "Huber": (HuberRegressor(), regression(200, 5), 14, 10),
    "Huber, joint scale": (HuberRegressor(scale="concomitant"), regression(200, 5), 14, 10),
    "L1": (L1Regressor(), regression(200, 5), 8, 6),
    # one file more since envelopes serve rows elsewhere as well
    "L1, many rows": (L1Regressor(), regression(40_000, 10), 14, 10),
    "logistic": (LogisticClassifier(), classes(200, 5), 14, 10),
    "Dice": (DiceClassifier(), classes(200, 5), 14, 10),
    "Tukey": (RobustRegressor(loss="tukey"), regression(200, 5), 14, 10),
}


def deepest(model, X, y):
    """Return the files of the frames of the package down to the first of a loss, where they are most."""
    most: list[str] = []

    def look(frame, event, _):
        nonlocal most
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
        most = max(most, files[::-1][: first + 1], key=len)

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
    assert len(found) <= frames
    assert len(set(found)) <= files
