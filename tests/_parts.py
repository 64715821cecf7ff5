"""Rows in numbered parts in this process, fitted as rows that are elsewhere: what a cluster does, without one."""

import pickle
from itertools import pairwise

import numpy as np
from sklearn.base import clone

from robustreg.tables import Local, Part, add


class Counted(Local):
    """Counts passes and remembers what was sent."""

    def __init__(self, parts):
        super().__init__(parts)
        self.passes, self.sent = 0, []

    def reduce(self, function, combine=add):
        self.passes += 1
        self.sent.append(len(pickle.dumps((function, combine))))
        return super().reduce(pickle.loads(pickle.dumps(function)), combine)

    def map(self, function):
        # what is made of the parts is counted here
        self.parts = super().map(pickle.loads(pickle.dumps(function))).parts
        self.__dict__.update(Local(self.parts).__dict__)
        return self


def rows(n=3000, p=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * 10.0 ** rng.integers(-3, 4, size=p) + rng.normal(size=p)
    y = X @ (rng.normal(size=p) / X.std(axis=0)) + 0.5 * rng.standard_t(2, size=n) + 7
    return X, y


def table(X, y, weight=None, ends=None):
    ends = [0, len(y) // 3, len(y) // 3, len(y) // 3 + 1, len(y)] if ends is None else ends
    keep = slice(None) if weight is None else weight > 0
    parts = []
    start = 0
    for a, b in pairwise(ends):
        at = np.arange(a, b) if weight is None else a + np.flatnonzero(weight[a:b] > 0)
        parts.append(Part(X[at], y[at], None if weight is None else weight[at]))
        start += len(at)
    assert start == len(y[keep])
    return Counted(parts)


def fit(model, rows):
    model = clone(model)._fit_table(rows, None, None, None)
    assert model.optimality_ <= model.tol
    return model
