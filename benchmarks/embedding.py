"""LinearEmbedding against NeighborhoodComponentsAnalysis, PCA and LDA: accuracy of one neighbour, and time.

Medians of processor time over splits, fits in turn: ``python benchmarks/embedding.py``.
"""

import time

import numpy as np
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.neighbors import KNeighborsClassifier, NeighborhoodComponentsAnalysis

from robustreg import LinearEmbedding

SPLITS = 6


def models(size, n_classes):
    return {
        "LinearEmbedding": LinearEmbedding(n_components=size),
        "NCA": NeighborhoodComponentsAnalysis(size, random_state=0),
        "PCA": PCA(size),
        "LDA": LinearDiscriminantAnalysis(n_components=min(size, n_classes - 1)),
    }


def main():
    print(
        "| data, components | model | accuracy | standard error | seconds |\n| -- | -- | -- | -- | -- |"
    )
    for name, load in {"digits": load_digits, "wine": load_wine}.items():
        X, y = load(return_X_y=True)
        for size in (2, 8):
            found = {}
            for train, test in StratifiedShuffleSplit(SPLITS, test_size=0.3, random_state=0).split(
                X, y
            ):
                for label, model in models(size, len(np.unique(y))).items():
                    start = time.process_time()
                    model.fit(X[train], y[train])
                    taken = time.process_time() - start
                    near = KNeighborsClassifier(1).fit(model.transform(X[train]), y[train])
                    score = near.score(model.transform(X[test]), y[test])
                    found.setdefault(label, []).append((score, taken))
            for label, runs in found.items():
                score, taken = np.transpose(runs)
                error = score.std(ddof=1) / np.sqrt(SPLITS)
                print(
                    f"| {name}, {size} | {label} | {score.mean():.3f} | {error:.3f} | "
                    f"{np.median(taken):.3f} |"
                )


if __name__ == "__main__":
    main()
