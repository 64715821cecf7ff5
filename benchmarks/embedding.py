"""What the embeddings of each loss are good for, and what they cost.

Accuracy of one neighbour on held-out rows beside NeighborhoodComponentsAnalysis, PCA and LDA; recall of
paired noisy views beside PCA; equal error rate on held-out speakers beside the raw vectors. Times are medians
of processor time over splits, fits in turn.

Run with ``python benchmarks/embedding.py``.
"""

import time

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.neighbors import KNeighborsClassifier, NeighborhoodComponentsAnalysis

from robustreg import LinearEmbedding

SPLITS = 6
#: rows from which on NeighborhoodComponentsAnalysis, which looks at all pairs, takes so long that half of them do
MANY = 2000


def waveform(n=5000, seed=0):
    """Waveforms of Breiman et al. (1984), Classification and Regression Trees: 21 noisy points and 19 of noise.

    Each class mixes two of three triangles, with a random share.
    """
    rng = np.random.default_rng(seed)
    triangles = np.maximum(6 - np.abs(np.arange(1, 22) - np.array([[7], [15], [11]])), 0.0)
    one, other = np.array([[0, 1], [0, 2], [1, 2]])[y := rng.integers(3, size=n)].T
    share = rng.random((n, 1))
    mixed = share * triangles[one] + (1 - share) * triangles[other]
    return np.hstack([mixed + rng.normal(size=(n, 21)), rng.normal(size=(n, 19))]), y


DATA = {
    "digits": lambda: load_digits(return_X_y=True),
    "wine": lambda: load_wine(return_X_y=True),
    "breast_cancer": lambda: load_breast_cancer(return_X_y=True),
    "waveform": waveform,
}
LOSSES = (
    "triplet",
    "contrastive",
    "info_nce",
    "multiple_negatives_ranking",
    "ge2e",
    "arcface",
)


def models(size, n_classes):
    ours = {name: LinearEmbedding(name, n_components=size) for name in LOSSES}
    return ours | {
        "NCA": NeighborhoodComponentsAnalysis(size, random_state=0),
        "PCA": PCA(size),
        "LDA": LinearDiscriminantAnalysis(n_components=min(size, n_classes - 1)),
    }


def neighbours(X, y, size, n_splits=SPLITS, only=None):
    """Accuracy of one neighbour and seconds of the fit, by model, one row for each split."""
    found = {}
    splits = StratifiedShuffleSplit(n_splits, test_size=0.3, random_state=0)
    for train, test in splits.split(X, y):
        for label, model in models(size, len(np.unique(y))).items():
            if only is not None and label not in only:
                continue
            start = time.process_time()
            model.fit(X[train], y[train])
            taken = time.process_time() - start
            near = KNeighborsClassifier(1).fit(model.transform(X[train]), y[train])
            score = near.score(model.transform(X[test]), y[test])
            found.setdefault(label, []).append((score, taken))
    return {label: np.array(runs) for label, runs in found.items()}


def views(n, seed, p=30, latent=5):
    """Two noisy views of n vectors: what they share is in few directions, and the noise is larger."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(latent, p))
    noise = np.random.default_rng(98).normal(size=(8, p)) * 4.0
    shared = rng.normal(size=(n, latent)) @ mixing
    X = np.concatenate(
        [shared + rng.normal(size=(n, 8)) @ noise + 0.3 * rng.normal(size=(n, p)) for _ in range(2)]
    )
    return X, np.tile(np.arange(n), 2)


def recall_at_1(Z):
    """How often the nearest second view, by cosine, is that of the same vector."""
    one, other = np.split(Z / np.linalg.norm(Z, axis=1, keepdims=True), 2)
    return np.mean((one @ other.T).argmax(axis=1) == np.arange(len(one)))


def speakers(n, members, seed, p=40):
    """Speakers in a few directions of a space, recorded through channels that vary in others."""
    rng = np.random.default_rng(seed)
    voice = np.random.default_rng(7).normal(size=(8, p))
    channel = np.random.default_rng(8).normal(size=(12, p)) * 2.0
    y = np.repeat(np.arange(n), members)
    X = rng.normal(size=(n, 8))[y] @ voice + rng.normal(size=(len(y), 12)) @ channel
    return X + 0.5 * rng.normal(size=X.shape), y


def equal_error_rate(Z, y):
    """Share of pairs judged wrongly by cosine, at the threshold where both kinds of error are equal."""
    Z = Z / np.linalg.norm(Z, axis=1, keepdims=True)
    i, j = np.triu_indices(len(y), k=1)
    score, same = (Z @ Z.T)[i, j], y[i] == y[j]
    order = np.argsort(score)
    miss = np.cumsum(same[order]) / same.sum()
    accept = 1 - np.cumsum(~same[order]) / (~same).sum()
    return (miss + accept)[np.abs(miss - accept).argmin()] / 2


def retrieval(name, seeds=5, **options):
    """Recall at 1 of held-out pairs, of the embedding and of PCA, one row for each seed."""
    found = []
    for seed in range(seeds):
        X, y = views(300, 2 * seed)
        held_out, _ = views(200, 2 * seed + 1)
        fits = LinearEmbedding(name, n_components=5, **options).fit(X, y), PCA(5).fit(X)
        found.append([recall_at_1(fit.transform(held_out)) for fit in fits])
    return np.array(found)


def verification(name, seeds=5, **options):
    """Equal error rate on held-out speakers, of the embedding and of raw vectors, one row a seed."""
    found = []
    for seed in range(seeds):
        X, y = speakers(40, 8, 2 * seed)
        held_out, label = speakers(40, 6, 2 * seed + 1)
        model = LinearEmbedding(name, n_components=8, **options).fit(X, y)
        raw = equal_error_rate(held_out - held_out.mean(axis=0), label)
        found.append([equal_error_rate(model.transform(held_out), label), raw])
    return np.array(found)


def main():
    from _harness import Report, options  # not where tests import the functions above

    chosen = options(__doc__)
    report, quick = Report(__doc__, chosen), chosen.quick
    for name, load in DATA.items():
        X, y = load()
        step = 5 if quick else 1
        splits = 2 if quick else SPLITS if len(X) < MANY else SPLITS // 2
        rows = []
        for size in (2, 8):
            for label, runs in neighbours(X[::step], y[::step], size, splits).items():
                score, taken = runs.T
                error = score.std(ddof=1) / np.sqrt(splits)
                shown = f"{score.mean():.3f}", f"{error:.3f}", f"{1e3 * np.median(taken):.1f} ms"
                rows.append([f"{size}", label, *shown])
        head = ["components", "model", "accuracy", "standard error", "time"]
        report.table(f"One neighbour, {name}, {len(X[::step])} x {X.shape[1]}", head, rows)
    rows = []
    for task, of, names in (
        ("recall at 1, PCA", retrieval, ("multiple_negatives_ranking", "info_nce")),
        ("equal error rate, raw vectors", verification, ("ge2e", "arcface")),
    ):
        for name in names:
            mine, other = of(name, seeds=1 if quick else 5).mean(axis=0)
            rows.append([task, name, f"{mine:.3f}", f"{other:.3f}"])
    report.table("Retrieval and verification", ["task", "loss", "embedding", "without"], rows)
    report.close()


if __name__ == "__main__":
    main()
