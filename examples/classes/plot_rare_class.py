"""
A rare class: losses, weights and thresholds
============================================

Fraud, defects, diseases: the class that matters is rare. We fit a linear model to it in six ways and
compare two things that are easily confused: how well the *scores* rank the samples, and at which threshold *predict*
decides.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    precision_recall_curve,
    precision_score,
    recall_score,
)
from sklearn.model_selection import TunedThresholdClassifierCV

from robustreg import DiceClassifier, FocalClassifier, LogisticClassifier


def sample(n, seed):
    rng = np.random.default_rng(seed)
    y = (np.arange(n) < 0.01 * n).astype(int)
    X = rng.normal(size=(n, 4))
    X[y == 1] += [1.8, 1.2, 0.0, 0.0]
    return X, y


X, y = sample(10_000, seed=0)
X_new, y_new = sample(50_000, seed=1)
models = {
    "logistic": LogisticClassifier(),
    "logistic, balanced weights": LogisticClassifier(class_weight="balanced"),
    "logistic, tuned threshold": TunedThresholdClassifierCV(LogisticClassifier(), scoring="f1"),
    "focal": FocalClassifier(),
    "focal, weights 10 to 1": FocalClassifier(class_weight={0: 1.0, 1: 10.0}),
    "Dice": DiceClassifier(),
}
figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
print(f"{'':28} precision recall    F1  average precision")
for (name, model), marker in zip(models.items(), "os^vPD", strict=True):
    found = model.fit(X, y).predict(X_new)
    score = model.decision_function(X_new)
    precision, recall = precision_score(y_new, found), recall_score(y_new, found)
    ranked = average_precision_score(y_new, score)
    print(f"{name:28} {precision:9.2f} {recall:6.2f} {f1_score(y_new, found):5.2f} {ranked:18.3f}")

    curve = precision_recall_curve(y_new, score, drop_intermediate=True)
    (line,) = ax.plot(curve[1], curve[0], linewidth=1)
    ax.plot(recall, precision, marker, color=line.get_color(), markersize=11, alpha=0.8, label=name)
ax.set(xlabel="recall", ylabel="precision", title="One row in a hundred: curves and decisions")
ax.legend(title="marker: threshold of predict")
plt.show()

# %%
# The average precisions are nearly equal and the curves coincide: on these data every loss
# finds nearly the same direction. What differs is where on the curve the decisions are.
#
# - The *logistic* and the *focal* loss predict the rare class if it is more likely than the other, which is seldom.
# - *Balanced weights* predict it if it is more likely than on average. Most of its samples are found, among
#   many false alarms. Smaller weights are in between.
# - *Dice* decides where its smooth F1 score is best. A *tuned threshold* does the same with more fits.
#
# So a rare class by itself is no reason for another loss. If only decisions are needed, Dice
# makes them in one fit. If costs are known, use probabilities and the threshold that the costs imply.
