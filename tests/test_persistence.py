"""Models survive being saved, and files of earlier versions still load.

``python -m tests.test_persistence`` writes the files of the present version; run it in the environment
of the oldest pins (`nox -s oldest`), because a pickle of new libraries does not load in old ones.
"""

import json
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import skops.io
from numpy.testing import assert_allclose
from sklearn.base import is_classifier
from sklearn.exceptions import InconsistentVersionWarning

import robustreg
from robustreg.datasets import load_stackloss
from tests.test_public import ESTIMATORS

FOLDER = Path(__file__).parent / "data" / "models"
FILES = sorted([*FOLDER.glob("*/*.pkl"), *FOLDER.glob("*/*.skops")])


def fitted(cls):
    frame = load_stackloss()
    X, y = frame.drop(columns="stack_loss"), frame["stack_loss"]
    if cls is robustreg.KLRegressor:  # two shares a row
        share = (y - y.min()) / (y.max() - y.min())
        y = np.column_stack([share, 1 - share])
    if is_classifier(cls()) or cls is robustreg.LinearEmbedding:
        y = (y > y.median()).astype(int)
    return cls().fit(X, y), X


def answer(model, X):
    """Return what a model says of rows: scores where it has them, which tell more than labels."""
    names = ("decision_function", "predict", "transform")
    return next(getattr(model, name) for name in names if hasattr(model, name))(X)


def load(path):
    if path.suffix == ".skops":
        names = skops.io.get_untrusted_types(file=path)
        assert all(name.startswith("robustreg.") for name in names)
        return skops.io.load(path, trusted=names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        return pickle.loads(path.read_bytes())


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_fitted_attributes_are_plain(cls):
    model, _ = fitted(cls)
    plain = (np.ndarray, np.generic, float, int, str, bool, dict, type(None))
    assert {k: v for k, v in vars(model).items() if not isinstance(v, plain)} == {}


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_round_trip(cls, tmp_path):
    model, X = fitted(cls)
    skops.io.dump(model, tmp_path / "model.skops")
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
    for name in ("model.skops", "model.pkl"):
        again = load(tmp_path / name)
        assert_allclose(answer(again, X), answer(model, X), rtol=0)
        assert again.get_params() == model.get_params()


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_file_of_an_earlier_version(path):
    model = load(path)
    expected = json.loads((path.parent / "predictions.json").read_text())[path.stem]
    assert_allclose(answer(model, fitted(type(model))[1]), expected, rtol=1e-12)


def test_every_estimator_has_its_files():
    names = {path.name for path in FILES}
    wanted = {f"{cls.__name__}.{kind}" for cls in ESTIMATORS for kind in ("pkl", "skops")}
    assert wanted <= names


def main():
    folder = FOLDER / robustreg.__version__
    folder.mkdir(parents=True, exist_ok=True)
    predictions = {}
    for cls in ESTIMATORS:
        model, X = fitted(cls)
        skops.io.dump(model, folder / f"{cls.__name__}.skops")
        (folder / f"{cls.__name__}.pkl").write_bytes(pickle.dumps(model))
        predictions[cls.__name__] = answer(model, X).tolist()
    (folder / "predictions.json").write_text(json.dumps(predictions, indent=1) + "\n")


if __name__ == "__main__":
    main()
