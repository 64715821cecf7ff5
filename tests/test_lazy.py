"""Collections of Dask are never computed unasked: by a stand-in with Dask's protocol that refuses to be."""

import inspect

import numpy as np
import pytest
from sklearn.base import BaseEstimator

import robustreg
from robustreg._lazy import is_lazy
from robustreg.losses import Huber

ESTIMATORS = [
    cls
    for cls in map(robustreg.__dict__.get, robustreg.__all__)
    if inspect.isclass(cls) and issubclass(cls, BaseEstimator)
]
each = pytest.mark.parametrize("cls", ESTIMATORS, ids=lambda cls: cls.__name__)
X = np.random.default_rng(0).normal(size=(40, 2))
LABELS = (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(int)


class Collection:
    """What Dask's arrays answer to; each access of the data fails."""

    ndim, dtype = 1, np.dtype(float)

    def __init__(self, shape=(40,)):
        self.shape, self.ndim = shape, len(shape)

    def __dask_graph__(self):
        return {}

    def __array__(self, *args, **kwargs):
        raise AssertionError("the data were asked for")

    def __len__(self):
        raise AssertionError("the length was asked for")


class Computed(Collection):
    """As an array of xarray without Dask: it has the method, and no graph."""

    def __dask_graph__(self):
        return None


def target(cls):
    return np.column_stack([LABELS, 1 - LABELS]) if cls is robustreg.KLRegressor else LABELS


def test_protocol_is_known_by_its_graph():
    assert is_lazy(Collection())
    assert not is_lazy(Computed())
    assert not is_lazy(Collection)
    assert not is_lazy(X)


@each
@pytest.mark.parametrize("name", ["X", "y", "sample_weight"])
def test_collection_is_refused_by_its_name(cls, name):
    if name == "X" and not getattr(cls(), "_why_not", lambda _: "no passes")(2):
        return  # fitted: see tests/test_remote.py and tests/tables
    given = {"X": X, "y": target(cls), "sample_weight": np.ones(40)}
    given[name] = Collection((40, 2) if name == "X" else (40,))
    with pytest.raises(TypeError, match=rf"(?s)^{name} is a .*pass {name}\.compute\(\).*mmap_mode"):
        cls().fit(**given)


def test_who_refuses_a_collection_is_called_what_it_is():
    for given in ({"X": X, "y": Collection()}, {"X": Collection((40, 2)), "y": Collection()}):
        with pytest.raises(TypeError, match="LinearEmbedding needs them here"):
            robustreg.LinearEmbedding().fit(**given)
    with pytest.raises(TypeError, match="A fit to labels with X in this process needs them here"):
        robustreg.LogisticClassifier().fit(X, Collection())


def test_several_quantiles_of_a_collection_are_refused():
    model = robustreg.QuantileRegressor(quantile=[0.1, 0.9], alpha=0.0)
    with pytest.raises(TypeError, match=r"vector of quantiles; pass one"):
        model.fit(Collection((40, 2)), Collection())


def test_several_targets_in_a_collection_are_refused():
    with pytest.raises(TypeError, match=r"^y is a "):
        robustreg.HuberRegressor().fit(X, Collection((40, 3)))


@each
def test_targets_of_a_score_are_refused_by_their_name(cls):
    if not hasattr(cls, "score"):
        return
    model = cls().fit(X, target(cls))
    with pytest.raises(TypeError, match=r"^y is a "):
        model.score(X, Collection())


def test_queries_and_groups_are_refused_by_their_names():
    with pytest.raises(TypeError, match=r"^qid is a "):
        robustreg.MarginRanker().fit(X, LABELS, qid=Collection())
    with pytest.raises(TypeError, match=r"^groups is a "):
        robustreg.HuberRegressorCV().fit(X, X[:, 0], groups=Collection())


def test_loss_refuses_a_collection():
    with pytest.raises(TypeError, match=r"^y_true is a "):
        Huber()(Collection(), X[:, 0])


def test_inference_refuses_a_collection():
    model = robustreg.L2Regressor().fit(X, X[:, 0] + LABELS)
    with pytest.raises(TypeError, match=r"^X is a "):
        robustreg.inference.summarize(model, Collection((40, 2)), LABELS)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (robustreg.HuberRegressor(scale="mad"), "scale='mad'.*scale='l1' or scale='proposal2'"),
        (robustreg.L1Regressor(solver="highs"), "solver='highs'; pass solver='exact'"),
        (robustreg.RobustRegressor(alpha=1.0, penalty="scad"), "penalty that is not convex"),
        (robustreg.RobustRegressor(loss="tukey"), "Tukey loss is not convex"),
    ],
    ids=repr,
)
def test_what_is_not_served_is_named_with_what_is(model, message):
    with pytest.raises(TypeError, match=message):
        model.fit(Collection((40, 2)), Collection())


def test_absolute_errors_of_many_columns_are_refused():
    with pytest.raises(TypeError, match="300 columns at most, not 301"):
        robustreg.L1Regressor().fit(Collection((40, 301)), Collection())
