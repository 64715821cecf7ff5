"""
Mislabelled leverage points: which losses resist?
=================================================

A fifth of one class is mislabelled, and these samples are far from the others, as with a broken instrument.
How much does each loss let them bias the fit?
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
print(f"{'mislabelled at':18}", *(f"{name:>6}" for name in names))
for (name, model), marker in zip(models.items(), "os^v*D", strict=True):
    fits = [model.fit(*sample(400, 0, d)).score(X_clean, y_clean) for d in distances]
    print(f"{name:18}", *(f"{accuracy:6.3f}" for accuracy in fits))
    ax.plot(names, fits, marker=marker, label=name)
ax.set(xlabel="distance of the mislabelled rows", ylabel="accuracy on clean rows")
ax.legend()
plt.show()

# %%
# The mislabelled samples are among class 1 and beyond. A good fit misclassifies them. The further away they are, the
# higher their leverage:
#
# - *Focal* loss fails first: it gives samples that are classified well less weight, and so the mislabelled ones more.
# - *Logistic*, *hinge* and *squared hinge* are convex, so all of them fail in the end. Hinge
#   resists longest: a correctly labelled sample within the margin has as much influence as a mislabelled one.
# - *Poly* with a large epsilon and *Dice* depend mostly on whether a sample is misclassified, not on how far.
#   They stay at the clean fit until the logistic fit, their start, is too far away: their objectives
#   have several minima. With a start fitted to the close samples, Dice finds the better one:

X, y = sample(400, 0, distance=30.0)
near = np.abs(X).max(axis=1) < 10
model = DiceClassifier(warm_start=True).fit(X[near], y[near]).fit(X, y)
print(f"Dice at 30, started from the near rows: {model.score(X_clean, y_clean):.3f}")

# %%
# Now the mislabelled samples are far to the side. A line rotated by 45 degrees classifies them as labelled,
# and most of the others correctly. No loss helps here.

X, y = sample(400, 0, distance=10.0, direction=(1.0, 1.0))
for name, model in models.items():
    angle = np.degrees(np.arctan2(*model.fit(X, y).coef_[0, ::-1]))
    print(f"{name:18} accuracy {model.score(X_clean, y_clean):.3f}, turned by {angle:.0f} degrees")
