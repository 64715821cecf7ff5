"""A table, and models that are fitted to it wherever it is."""

import numpy as np

from robustreg import (
    FocalClassifier,
    HingeClassifier,
    HuberRegressor,
    KLRegressor,
    L1Regressor,
    L2Regressor,
    LogisticClassifier,
    MMRegressor,
    QuantileRegressor,
    RobustRegressor,
    SRegressor,
)

N, P = 3000, 3
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, P)) * [1.0, 10.0, 0.1] + [0.0, 5.0, 1.0]
Y = X @ [1.0, 0.2, 3.0] + RNG.standard_t(2, size=N)
LABELS = np.array(["high", "low", "none"])[np.digitize(Y, [2.0, 6.0])]
WEIGHT = RNG.uniform(0.1, 2.0, size=N)
SHARES = RNG.dirichlet(np.ones(3), size=N)
MODELS = [
    (L2Regressor(), Y),
    (HuberRegressor(), Y),
    (HuberRegressor(scale="proposal2"), Y),
    (HuberRegressor(scale=1.0, alpha=3.0, fit_intercept=False), Y),
    (L1Regressor(), list(Y)),
    (QuantileRegressor(quantile=0.8, alpha=0.01), Y),
    (RobustRegressor(loss="pseudo_huber"), np.round(Y).astype(int)),
    (LogisticClassifier(class_weight="balanced"), LABELS),
    (HingeClassifier(), LABELS),
    (FocalClassifier(), LABELS == "low"),
    (KLRegressor(), SHARES),
    (SRegressor(), Y),
    (MMRegressor(), Y),
    (L2Regressor(alpha=300.0, l1_ratio=1.0, penalty_weights=[1.0, 0.0, 1.0]), Y),
    (HuberRegressor(alpha=300.0, l1_ratio=0.5), Y),
    (LogisticClassifier(alpha=100.0, l1_ratio=1.0), LABELS),
    (HingeClassifier(alpha=30.0, l1_ratio=1.0, positive=True), LABELS == "low"),
]
