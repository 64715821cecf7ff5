"""
Wrong labels far out: which losses hold, and which do not
=========================================================

A fifth of one class is mislabelled, and those rows lie far out, as records from a broken instrument
do. How much does each loss let them bend the fit? The answer is not the one that the names suggest.
"""

import matplotlib.pyplot as plt
import numpy as np

from robustreg import (
    DiceClassifier,
    FocalClassifier,
    HingeClassifier,
    LogisticClassifier,
    PolyClassifier,
)


def sample(n, seed, distance=None, direction=(1.0, 0.0)):
    """Two normal classes; a fifth of class 1 is called 0 and moved far out."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X = rng.normal(size=(n, 2))
    X[:, 0] += 2.0 * (2 * y - 1)
    if distance is not None:
        wrong = np.flatnonzero(y == 1)[: n // 10]
        X[wrong] = distance * np.array(direction) + 0.5 * rng.normal(size=(len(wrong), 2))
        y[wrong] = 0
    return X, y


models = {
    "logistic": LogisticClassifier(),
    "hinge": HingeClassifier(),
    "squared hinge": HingeClassifier(squared=True),
    "focal, gamma 2": FocalClassifier(gamma=2.0),
    "poly, epsilon 20": PolyClassifier(epsilon=20.0),
    "Dice": DiceClassifier(),
}
X_clean, y_clean = sample(20_000, seed=99)
distances = [None, 4.0, 6.0, 10.0, 15.0, 20.0, 30.0]
names = ["none", *(f"{d:.0f}" for d in distances[1:])]
figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
print(f"{'wrong rows at':18}", *(f"{name:>6}" for name in names))
for (name, model), marker in zip(models.items(), "os^v*D", strict=True):
    fits = [model.fit(*sample(400, 0, d)).score(X_clean, y_clean) for d in distances]
    print(f"{name:18}", *(f"{accuracy:6.3f}" for accuracy in fits))
    ax.plot(names, fits, marker=marker, label=name)
ax.set(xlabel="distance of the mislabelled rows", ylabel="accuracy on clean rows")
ax.legend()
plt.show()

# %%
# The wrong rows lie among class 1 and beyond: a good fit gives them up. The further out, the
# longer their lever:
#
# - The *focal* loss gives up nothing: it cares least for rows that are right, so relatively more
#   for the wrong ones, and is bent before the logistic loss is.
# - *Logistic*, *hinge* and *squared hinge* are convex, and so all of them fail in the end. Hinge
#   holds longest: in it a right row within its margin pulls as hard as any wrong one.
# - *Poly* with a large epsilon counts mostly whether a row is wrong, and *Dice* only that.
#   They stay at the clean fit until their start, the logistic fit, is too wrong: losses that let go
#   have several minima. Started from the near rows, Dice finds the better one:

X, y = sample(400, 0, distance=30.0)
near = np.abs(X).max(axis=1) < 10
model = DiceClassifier(warm_start=True).fit(X[near], y[near]).fit(X, y)
print(f"Dice at 30, started from the near rows: {model.score(X_clean, y_clean):.3f}")

# %%
# Now the wrong rows lie far out to the side. A line turned by half a right angle gets them "right"
# and most of the others too. Here no loss helps: to all of them these rows are good evidence.

X, y = sample(400, 0, distance=10.0, direction=(1.0, 1.0))
for name, model in models.items():
    angle = np.degrees(np.arctan2(*model.fit(X, y).coef_[0, ::-1]))
    print(f"{name:18} accuracy {model.score(X_clean, y_clean):.3f}, turned by {angle:.0f} degrees")
