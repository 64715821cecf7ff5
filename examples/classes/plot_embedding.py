"""
Digits in two dimensions
========================

Handwritten digits, 64 pixels each, mapped to two dimensions by principal components, by linear discriminants and by
`LinearEmbedding`, which is learned from triplets: a sample, one of its class and one of another class. The maps are learned from
half of the digits. Dots are the other half, and the title says how many of these have the class of their nearest neighbour.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import KNeighborsClassifier

from robustreg import LinearEmbedding

X, y = load_digits(return_X_y=True)
models = {
    "principal components": PCA(2),
    "linear discriminants": LinearDiscriminantAnalysis(n_components=2),
    "LinearEmbedding": LinearEmbedding(n_components=2),
}

figure, axes = plt.subplots(1, 3, figsize=(11, 4), layout="constrained")
for ax, (name, model) in zip(axes, models.items(), strict=True):
    model.fit(X[::2], y[::2])
    Z = model.transform(X[1::2])
    neighbour = KNeighborsClassifier(1).fit(model.transform(X[::2]), y[::2])
    ax.scatter(*Z.T, c=y[1::2], cmap="tab10", s=6, alpha=0.7, linewidths=0)
    for digit in range(10):
        middle = Z[y[1::2] == digit].mean(axis=0)
        ax.text(*middle, str(digit), fontsize=13, weight="bold", ha="center", va="center")
    ax.set_title(f"{name}: {neighbour.score(Z, y[1::2]):.0%}")
    ax.set_xticks([])
    ax.set_yticks([])
plt.show()
