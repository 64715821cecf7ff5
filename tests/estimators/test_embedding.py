"""LinearEmbedding: its objective, what it is drawn from, what it is good for, and what it refuses."""

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from robustreg import LinearEmbedding
from robustreg.losses import GE2E, Triplet, triplet_loss
from robustreg.losses._tuples import FORMATIONS, ONE_BY_ONE, Labelled, Request, in_parts
from robustreg.preparation import prepare
from robustreg.solvers import Centred, _embedding
from robustreg.solvers._embedding import DrawnLoss, EmbeddingObjective

BENCHMARK = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "embedding.py"))
NAMES = ["contrastive", "triplet", "info_nce", "multiple_negatives_ranking", "ge2e", "arcface"]
each = pytest.mark.parametrize("name", NAMES)
#: the default, and each loss where its minimum is found in few steps
SETTINGS = [LinearEmbedding(), *(LinearEmbedding(name, n_rounds=1, tol=1e-2) for name in NAMES)]


def sample(n=60, p=5, groups=4, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(groups, size=n)
    return rng.normal(size=(n, p)) + 1.5 * rng.normal(size=(groups, p))[y], y


@pytest.mark.filterwarnings("ignore:.*SCIPY_ARRAY_API:Warning")
@parametrize_with_checks(SETTINGS)
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@each
def test_gradient_of_the_whole_objective(name, weighted, normalize):
    X, y = sample()
    rng = np.random.default_rng(1)
    y = np.sort(y)
    weight = rng.uniform(0.5, 2.0, len(y)) if weighted else None
    loss = LinearEmbedding(name)._named_loss()
    labelled = Labelled(y, weight)
    rows = Centred.of(prepare(X, y.astype(float), weight, reduce=False)[0])
    u = rng.normal(size=(5, 2))
    Z = rows.project(u)
    drawn = FORMATIONS[loss.target.formation](labelled, Request(50, 2, "all"), Z, rng)
    extra = loss.extra(y.astype(float), Z, None).start
    if loss.target.formation in ONE_BY_ONE:
        drawn = in_parts(drawn, 7)
    objective = EmbeddingObjective(DrawnLoss(loss, drawn, len(y)), rows, 0.3, u.shape, normalize)
    theta = np.append(u, extra)
    _, gradient = objective.fun_jac(theta)
    step = 1e-6 * np.eye(len(theta))
    found = [
        (objective.fun_jac(theta + h)[0] - objective.fun_jac(theta - h)[0]) / 2e-6 for h in step
    ]
    assert_allclose(gradient, found, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", [Triplet(), Triplet(margin=1.0, squared=False)])
def test_objective_is_the_naive_loop(loss):
    X, y = sample(n=20, groups=3)
    weight = np.random.default_rng(0).integers(1, 4, 20).astype(float)
    model = LinearEmbedding(loss, mining="all", n_pairs=10**6, alpha=0.01)
    model.fit(X, y, sample_weight=weight)
    Z, value, total = model.transform(X), 0.0, 0.0
    for i in range(20):
        for j in range(20):
            for k in range(20):
                if i != j and y[i] == y[j] != y[k]:
                    w = weight[i] * weight[j] * weight[k]
                    near, far = np.linalg.norm(Z[i] - Z[j]), np.linalg.norm(Z[i] - Z[k])
                    power = 2 if loss.squared else 1
                    value += w * max(0.0, near**power - far**power + loss.margin)
                    total += w
    size = (model.components_**2 * X.var(axis=0)).sum()
    assert model.objective_ == pytest.approx(value / total + 0.005 * size, rel=1e-10)
    assert model.n_pairs_ == sum(m * (m - 1) * (20 - m) for m in np.bincount(y))


@each
def test_same_bits_for_the_same_seed_rows_in_any_order_and_repeated_rows(name):
    X, y = sample()
    weight = np.random.default_rng(2).integers(0, 4, len(y))
    fit = clone(LinearEmbedding(name, max_iter=60, tol=1e-2)).fit(X, y, sample_weight=weight)
    again = clone(fit).fit(X, y, sample_weight=weight)
    assert_array_equal(fit.components_, again.components_)
    order = np.random.default_rng(3).permutation(np.repeat(np.arange(len(y)), weight))
    repeated = clone(fit).fit(X[order], y[order])
    assert_array_equal(fit.components_, repeated.components_)
    other = clone(fit).set_params(random_state=1).fit(X, y)
    assert name == "arcface" or not np.array_equal(fit.components_, other.components_)


@each
def test_units_of_columns_do_not_matter(name):
    X, y = sample()
    powers = 2.0 ** np.array([-30, 20, 0, 3, -7])
    model = LinearEmbedding(name).fit(X, y)
    Z = model.transform(X)
    assert_array_equal(clone(model).fit(X * powers, y).transform(X * powers), Z)
    units, shift = np.array([0.3048, 1e-6, 1.8, 1e5, 7.0]), np.array([0.0, 1e3, 32.0, -1.0, 0.0])
    # what is drawn is the same; more iterations would magnify the rounding of other units
    model.set_params(tol=10.0)
    Z = model.fit(X, y).transform(X)
    other = clone(model).fit(X * units + shift, y)
    assert_allclose(other.transform(X * units + shift), Z, atol=1e-6 * abs(Z).max())


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("mining", ["hard", "semi-hard", "all"])
@each
def test_odd_classes_give_no_nan(name, mining):
    X, y = sample()
    y = np.where(np.arange(len(y)) == 7, 99, y)  # a class of one row
    X[y == 1] = X[y == 1][0]  # a class of one point
    X[10:14] = X[20]
    X = np.column_stack([X, np.ones(len(X)), X[:, 0]])  # a constant column, and one twice
    model = LinearEmbedding(name, mining=mining, max_iter=50).fit(X, y)
    assert np.isfinite(model.components_).all()
    assert np.isfinite(model.transform(X)).all()


@each
def test_sparse_is_dense(name):
    rng = np.random.default_rng(0)
    X = sp.random(120, 30, 0.2, random_state=0, format="csr")
    y = rng.integers(3, size=120)
    X = sp.csr_matrix(X + sp.csr_matrix((y[:, None] == np.arange(30)) * 1.0))
    dense = LinearEmbedding(name, max_iter=15, tol=10.0).fit(X.toarray(), y)
    sparse = clone(dense).fit(X, y)
    assert_allclose(sparse.components_, dense.components_, rtol=1e-5, atol=1e-7)
    assert_allclose(sparse.transform(X), dense.transform(X.toarray()), atol=1e-5)


def test_wide_sparse_stays_sparse(monkeypatch):
    X = sp.random(100, 20_000, 2e-3, random_state=0, format="csr")

    def refuse(*_):
        raise AssertionError("made dense")

    y = np.arange(100) // 2
    for kind in (sp.csr_matrix, sp.csr_array):
        monkeypatch.setattr(kind, "toarray", refuse)
    model = LinearEmbedding("multiple_negatives_ranking", n_components=4, tol=10.0)
    assert model.fit(X, y).transform(X).shape == (100, 4)


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("name", ["contrastive", "triplet"])
def test_tuples_in_parts_are_those_at_once(name, swap, monkeypatch):
    X, y = sample(20)
    weight = np.random.default_rng(0).uniform(0.5, 2.0, len(y))
    loss = Triplet(swap=swap) if name == "triplet" else name
    model = LinearEmbedding(loss, mining="all", n_pairs=10**4, tol=1e-6)
    whole, sizes = model.fit(X, y, weight), []
    components, pairs = whole.components_, whole.n_pairs_

    def parts(drawn, size):
        sizes.append(size)
        return in_parts(drawn, 97)

    monkeypatch.setattr(_embedding, "in_parts", parts)
    model.fit(X, y, weight)
    assert sizes == [_embedding.NUMBERS // 2]
    assert model.n_pairs_ == pairs
    assert_allclose(model.components_, components, rtol=1e-4, atol=1e-4 * abs(components).max())


def test_many_possible_pairs_are_drawn():
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(2), 20_000)
    X = rng.normal(size=(40_000, 3)) + y[:, None]
    model = LinearEmbedding(n_components=1, n_pairs=5_000, max_iter=10, tol=1.0).fit(X, y)
    assert model.n_pairs_ == 5_000


@pytest.mark.parametrize("data", ["digits", "wine", "breast_cancer"])
@pytest.mark.parametrize("size", [2, 8])
@pytest.mark.slow
def test_neighbours_are_as_good_as_those_of_nca(data, size):
    X, y = BENCHMARK["DATA"][data]()
    models = ("triplet", "contrastive", "arcface", "NCA", "PCA", "LDA")
    runs = BENCHMARK["neighbours"](X, y, size, only=models)
    mean = {name: runs[name][:, 0].mean() for name in models}
    error = runs["NCA"][:, 0].std(ddof=1) / np.sqrt(len(runs["NCA"]))
    assert mean["triplet"] >= mean["NCA"] - error
    for name in ("triplet", "contrastive") if size == 2 else ("triplet", "contrastive", "arcface"):
        assert mean[name] > mean["PCA"]
        if data == "digits":  # with fewer classes there are fewer discriminants than dimensions
            assert mean[name] > mean["LDA"] + 0.01


@pytest.mark.parametrize("name", ["multiple_negatives_ranking", "info_nce"])
@pytest.mark.parametrize("init", ["lda", "pca"])
def test_paired_views_are_found(name, init):
    mine, pca = BENCHMARK["retrieval"](name, seeds=1, init=init).T
    assert (mine > pca + 0.8).all()


@pytest.mark.parametrize("name", ["ge2e", "arcface"])
@pytest.mark.parametrize("init", ["lda", "pca"])
def test_held_out_speakers_are_told_apart(name, init):
    mine, raw = BENCHMARK["verification"](name, seeds=1, init=init).T
    assert (mine < 0.1 * raw).all()


def test_no_more_rounds_where_one_changes_little():
    X, y = load_wine(return_X_y=True)
    few, many = LinearEmbedding().fit(X, y), LinearEmbedding(tol=1e-5).fit(X, y)
    one = LinearEmbedding(n_rounds=1).fit(X, y)
    assert few.n_iter_ < 0.5 * many.n_iter_
    assert_array_equal(few.components_, one.components_)


def test_attributes_of_losses_with_parameters_of_their_own():
    X, y = sample()
    model = LinearEmbedding("arcface", n_components=3).fit(X, np.array(list("abcd"))[y])
    assert model.centers_.shape == (4, 3)
    assert model.classes_.tolist() == list("abcd")
    ge2e = LinearEmbedding(GE2E(w=5.0)).fit(X, y)
    assert ge2e.extra_.shape == (2,)
    assert ge2e.extra_[0] > 0
    assert not hasattr(ge2e, "centers_")
    assert np.mean(np.sum(ge2e.transform(X) ** 2, axis=1)) == pytest.approx(1.0)


def test_frames_names_and_grids():
    X, y = sample()
    frame = pd.DataFrame(X, columns=list("abcde"))
    model = LinearEmbedding().set_output(transform="pandas").fit(frame, y)
    assert list(model.transform(frame).columns) == ["linearembedding0", "linearembedding1"]
    pipe = make_pipeline(LinearEmbedding(Triplet()), KNeighborsClassifier(1))
    grid = {"linearembedding__loss__margin": [0.1, 1.0]}
    assert GridSearchCV(pipe, grid, cv=2).fit(X, y).best_score_ > 0.5
    with pytest.raises(ValueError, match=r"pass loss=Triplet\(\)"):
        LinearEmbedding().set_params(loss__margin=1.0)


def test_warm_start_and_given_components():
    X, y = sample()
    model = LinearEmbedding(mining="all", n_pairs=10**6, warm_start=True, tol=1e-6).fit(X, y)
    first, components = model.n_iter_, model.components_
    model.fit(X, y)
    assert model.n_iter_ < first / 2
    given = LinearEmbedding(init=components, mining="all", n_pairs=10**6, tol=1e-6).fit(X, y)
    assert given.objective_ <= model.objective_ * (1 + 1e-4)
    with pytest.raises(ValueError, match="init must have the shape"):
        LinearEmbedding(init=np.ones((3, 5))).fit(X, y)


def test_normalize():
    X, y = sample()
    Z = LinearEmbedding(normalize=True).fit_transform(X, y)
    assert_allclose(np.linalg.norm(Z, axis=1), 1.0)


def test_max_iter_is_told():
    X, y = sample()
    with pytest.warns(ConvergenceWarning, match=r"stopped after 6 iterations \(max_iter=6\)"):
        LinearEmbedding(max_iter=6, tol=1e-9).fit(X, y)


@pytest.mark.parametrize(
    ("params", "y", "message"),
    [
        ({"loss": "huber"}, None, "must be a loss of embeddings or one of 'arcface'"),
        ({"loss": "margin_ranking"}, None, "must be a loss of embeddings"),
        ({"loss": "triplets"}, None, "Did you mean 'triplet'"),
        ({"n_components": 6}, None, "at most n_features = 5"),
        ({"mining": "easy"}, None, "mining"),
        ({"n_pairs": 0}, None, "n_pairs"),
        ({}, np.zeros(60), "one class"),
        ({}, np.arange(60), "at least two different rows"),
        ({}, np.linspace(0.1, 1, 60), "real numbers"),
    ],
)
def test_refused(params, y, message):
    X, labels = sample()
    with pytest.raises(ValueError, match=message):
        LinearEmbedding(**params).fit(X, labels if y is None else y)


def test_drawn_triplets_are_triplets_of_the_right_shares():
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(4), [1, 3, 6, 10])
    weight = rng.integers(1, 5, 20).astype(float)
    labelled, Z = Labelled(label, weight), rng.normal(size=(20, 2))
    for mining in ("all", "semi-hard", "hard"):
        (drawn,) = FORMATIONS["triplets"](labelled, Request(1_000, 2, mining), Z, rng)
        anchor, positive, negative = drawn.rows
        assert (anchor != positive).all()
        assert (label[anchor] == label[positive]).all()
        assert (label[anchor] != label[negative]).all()
        share = weight * (label > 0)
        counts = np.bincount(anchor, minlength=20) / 1_000
        assert_allclose(counts, share / share.sum(), atol=1.1e-3)
        if mining == "semi-hard":
            d = [np.sum((Z[anchor] - Z[rows]) ** 2, axis=1) for rows in (positive, negative)]
            assert np.mean(d[1] > d[0]) > 0.6
    assert triplet_loss(Z[anchor], Z[positive], Z[negative]) >= 0
