"""Who holds arrays as long as the table: nobody where rows are elsewhere, and the modules that the design names here."""

import os
import re
import sys
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

import robustreg
from robustreg import (
    HingeClassifier,
    HuberRegressor,
    HuberRegressorCV,
    L1Regressor,
    L2Regressor,
    LogisticClassifier,
    LTSRegressor,
    MMRegressor,
    QuantileRegressor,
    RobustRegressor,
    remote,
)
from tests._parts import fit, table

PACKAGE = os.path.dirname(robustreg.__file__) + os.sep
DESIGN = Path(__file__).parents[2] / "docs" / "design.md"
#: a prime, so that nothing else has this length
N = 20_011


def data(classes):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 4))
    y = X.sum(axis=1) + rng.standard_t(3, size=N)
    return (X, (y + rng.normal(size=N) > 0).astype(int)) if classes else (X, y)


def holders(fitting, parts):
    """Return the functions of some parts of the package that have had arrays with a number for each row."""
    found = set()

    def look(frame, event, _):
        file = frame.f_code.co_filename
        if event != "return" or not file.startswith(tuple(PACKAGE + part for part in parts)):
            return
        values = frame.f_locals.values()
        if any(isinstance(value, np.ndarray) and value.shape[:1] == (N,) for value in values):
            found.add((Path(file).stem, frame.f_code.co_name))

    outer = sys.getprofile()
    sys.setprofile(look)
    try:
        fitting()
    finally:
        sys.setprofile(outer)
    return found


ELSEWHERE = {
    "L1": L1Regressor(),
    "quantile": QuantileRegressor(quantile=0.8, alpha=0.01),
    "Huber": HuberRegressor(),
    "joint scale": HuberRegressor(scale="concomitant"),
    "squares": L2Regressor(),
    "hinge": HingeClassifier(),
    "logistic": LogisticClassifier(),
    "MM": MMRegressor(),
    "trimmed": LTSRegressor(),
}
CLASSES = {"hinge", "logistic"}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_by_passes_nothing_is_as_long_as_the_table(name):
    rows = table(*data(name in CLASSES), ends=[*range(0, N, 4_000), N])
    with patch.object(remote, "TAKE_BYTES", 200_000):
        assert not holders(lambda: fit(ELSEWHERE[name], rows), [""])


HERE = {
    **ELSEWHERE,
    "Tukey": RobustRegressor(loss="tukey"),
    "two kinks": RobustRegressor(loss="epsilon_insensitive"),
    "penalised": RobustRegressor(loss="absolute", penalty="elastic_net", alpha=10.0),
    "zeros": L1Regressor(alpha=1.0, l1_ratio=1.0, penalty_weights=[1.0, 1.0, 1.0, 1e5]),
    "lasso": L2Regressor(alpha=5.0, l1_ratio=1.0),
    "folds": HuberRegressorCV(),
}


def test_here_the_modules_that_the_design_names_do():
    text = DESIGN.read_text("utf-8").split("## Arrays with a number for each row")[1]
    rows = [line for line in text.split("##")[0].splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall("`(\\w+)`", row.split("|")[1])}
    found = set()
    for name, model in HERE.items():
        X, y = data(name in CLASSES)
        found |= holders(partial(model.fit, X, y), ["solvers", "objective", "scales"])
    assert {module for module, _ in found} == named
