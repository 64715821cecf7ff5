"""Data and reference values that the tests of inference share."""

import json
from functools import cache
from pathlib import Path

import numpy as np

from robustreg import datasets

DATA = Path(__file__).parents[1] / "data" / "inference.json"
TABLES = ("stackloss", "phones", "coleman", "engel")


@cache
def reference():
    """Standard errors of R by data set."""
    return json.loads(DATA.read_text())["tables"]


def table(name):
    """Return X and y of a published data set."""
    frame = getattr(datasets, f"load_{name}")()
    return frame.iloc[:, :-1], frame.iloc[:, -1]


def sample(n=200, p=3, seed=0, df=3, spread=0.5):
    """Rows with heavy-tailed errors whose spread grows with the first column, groups and weights."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    errors = rng.standard_t(df, size=n) * np.exp(spread * X[:, 0])
    y = 0.5 + X @ np.linspace(1.0, 2.0, p) + errors
    return X, y, rng.integers(0, 12, n), rng.integers(0, 4, n)


def classes(n=200, p=3, k=3, seed=0):
    """Rows of k classes that a linear model cannot tell apart for certain."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    scores = X @ rng.normal(size=(p, k)) + rng.gumbel(size=(n, k))
    return X, scores.argmax(axis=1), rng.integers(0, 15, n), rng.integers(0, 4, n)
