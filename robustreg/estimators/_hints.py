"""What to use instead of an argument or attribute that an estimator does not have."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any

from sklearn.base import ClassifierMixin

from robustreg._parameters import did_you_mean

#: by the name that other libraries and textbooks use: the parameter here, and how they translate
_TRANSLATIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "delta": (
        (
            "epsilon",
            (
                "epsilon is delta in units of the scale: delta = epsilon * scale_, and scale=1.0 "
                "makes epsilon the delta itself"
            ),
        ),
        ("loss", "a threshold belongs to the loss: loss=Huber(delta=...) from robustreg.losses"),
    ),
    "epsilon": (
        ("loss", "a threshold belongs to the loss: loss=Huber(delta=...) from robustreg.losses"),
    ),
    "c": (("loss", "a threshold belongs to the loss: loss=Tukey(c=...) from robustreg.losses"),),
    "C": (("alpha", "its alpha is 1 / C"),),
    "lambda_": (("alpha", "the strength of the penalty"),),
    "reg_lambda": (("alpha", "the strength of the penalty"),),
    "tau": (("quantile", "which quantile"), ("loss", "loss=Pinball(tau) from robustreg.losses")),
    "q": (("quantile", "which quantile"), ("loss", "loss=Pinball(q) from robustreg.losses")),
    "quantile": (("loss", "loss=Pinball(quantile) from robustreg.losses"),),
    "n_iter": (("max_iter", "the most iterations"),),
    "smoothing": (("smooth", "the smoothing of the Dice loss"),),
    "max_trials": (("n_starts", "how many subsets a search starts from"),),
    "penalty": (
        (
            "l1_ratio",
            (
                "an L1 penalty is l1_ratio=1.0, none at all is alpha=0.0; RobustRegressor and "
                "RobustClassifier take every penalty"
            ),
        ),
    ),
}

#: by a parameter that has no counterpart in an estimator without it: why not
_NEEDLESS = {
    "random_state": "Nothing in this fit is random: leave it out.",
    "n_jobs": "A fit chooses its threads itself: leave it out.",
    "alpha": "It has no penalty: HuberRegressor and RobustRegressor have one.",
    "loss": "Its loss is fixed: RobustRegressor and RobustClassifier take any.",
}

#: by an attribute that users look for: what to use where an estimator does not have it
_INSTEAD = {
    "predict_proba": (
        "Its scores are no probabilities: CalibratedClassifierCV of scikit-learn estimates them, and "
        "LogisticClassifier has its own."
    ),
    **dict.fromkeys(
        ("outliers_", "scale_", "weights_"),
        "Regressors that estimate a scale have it, such as HuberRegressor and MMRegressor.",
    ),
    **dict.fromkeys(
        ("summary", "bse", "pvalues", "conf_int"),
        "Use summarize(model, X, y) from robustreg.inference.",
    ),
    "to_sklearn": "Use to_sklearn(model) from robustreg.export.",
    "partial_fit": "It is fitted to all rows at once; SGDRegressor and SGDClassifier of scikit-learn learn from streams.",
    "cv_results_": "It belongs to searches, such as HuberRegressorCV and PathSearchCV.",
}


def missing(estimator: Any, name: str) -> AttributeError:
    """Return the error for an attribute that does not exist, with what to use instead."""
    hint = _INSTEAD.get(name, "")
    # the test is cheap: a fit asks for attributes that a first one does not have
    fitted = name[:1] != "_" and name[-1:] == "_" and "n_features_in_" not in estimator.__dict__
    if fitted and re.search(
        rf"^    .*\b{name}\b.* : ", type(estimator).__doc__ or "", re.MULTILINE
    ):
        hint = "It is not fitted yet: call fit first."
    if name == "predict_proba" and not isinstance(estimator, ClassifierMixin):
        hint = "It predicts no classes: LogisticClassifier estimates their probabilities."
    kind = type(estimator).__name__
    return AttributeError(f"{kind!r} object has no attribute {name!r}{hint and '. '}{hint}")


def with_hints(init: Callable[..., None]) -> Callable[..., None]:
    """Let a constructor that refuses an unknown argument say what to use instead.

    Parameters
    ----------
    init : callable
        The constructor. Its signature stays what it is.

    Returns
    -------
    init : callable
    """
    parameters = inspect.signature(init).parameters.values()
    names = [each.name for each in parameters if each.name != "self"]
    by_name = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]

    @functools.wraps(init)
    def hinting(self: Any, *args: Any, **kwargs: Any) -> None:
        unknown = [name for name in kwargs if name not in names]
        try:
            init(self, *args, **kwargs)
        except TypeError as error:
            hint = _hint(unknown[0], names) if unknown else ""
            if args and by_name and re.search("positional", str(error)):
                hint = f"Parameters are passed by name: {by_name[0]}=value."
            if not hint:
                raise
            raise TypeError(f"{error}. {hint}") from None

    return hinting


def hint(unknown: str, names: list[str]) -> str:
    """Return what a parameter that does not exist is called here, or ''."""
    return _hint(unknown.partition("__")[0], names)


def _hint(unknown: str, names: list[str]) -> str:
    for name, how in _TRANSLATIONS.get(unknown, ()):
        if name in names:
            return f"Did you mean {name!r}? {how[0].upper()}{how[1:]}."
    return _NEEDLESS.get(unknown) or did_you_mean(unknown, names)
