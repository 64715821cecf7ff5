"""Supervised linear embeddings."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_random_state, gen_batches
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted

from robustreg._array import Array, is_sparse
from robustreg._lazy import refuse_lazy
from robustreg._threads import blas_aside
from robustreg.data import take_rows
from robustreg.estimators._base import DocumentedEstimator
from robustreg.estimators._callbacks import CallbackSupportMixin, Progress, with_callbacks
from robustreg.estimators._distinct import distinct
from robustreg.estimators._labels import plain_labels
from robustreg.estimators._named_loss import NamedLoss
from robustreg.estimators._validation import (
    check_bool,
    check_data,
    check_integer,
    check_option,
    check_real,
    check_weight,
    complain,
    level_of_user,
    refuse_infinite,
)
from robustreg.losses import Loss
from robustreg.losses._geometry import unit
from robustreg.losses._tuples import Labelled, Request
from robustreg.preparation import prepare
from robustreg.solvers import (
    Centred,
    Control,
    Embedding,
    Result,
    discriminant_directions,
    mean_square,
    principal_directions,
)

STARTS = {"lda": discriminant_directions, "pca": principal_directions}
#: for "auto", how many of what a formation draws there are for each row, and at the most. Ten triplets a
#: row make digits in 2 and 8 dimensions as good as twenty do
AUTO = {
    "triplets": (10, 100_000),
    "pairs": (20, 200_000),
    "pair_batches": (1, 20_000),
    "group_batches": (1, 100_000),
    "all_rows": (1, 1),
}
#: groups of a batch for "auto": with more the scores of all pairs of a batch leave the cache
BATCH = 64


class LinearEmbedding(
    NamedLoss,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    CallbackSupportMixin,
    DocumentedEstimator,
    BaseEstimator,
):
    r"""Linear map to a few dimensions in which rows of one class or group are near each other.

    With :math:`z_i = C (x_i - \bar x)` minimises

    .. math:: \frac{1}{m} \sum_{t=1}^{m} \ell(z_{t_1}, z_{t_2}, \dots)
        + \frac{\alpha}{2} \sum_j s_j^2 \|c_j\|_2^2

    over ``components_`` C, where t are pairs, triplets or batches of rows that are drawn by their labels,
    and :math:`s_j` is the standard deviation of column j. Neither the objective nor what is drawn depends
    on the units of the columns or on the order of the rows. A round draws and minimises by L-BFGS; the next
    one draws anew, by the embedding found so far.

    Parameters
    ----------
    loss : str or Loss, default="triplet"
        ``"contrastive"`` (pairs), ``"triplet"``, ``"info_nce"`` or ``"multiple_negatives_ranking"``
        (batches of pairs of one group each, the others of the batch being the negatives), ``"ge2e"``
        (batches of groups) or ``"arcface"`` (all rows, with a centre for each class), or an object such as
        ``Triplet(margin=1.0)``.
    n_components : int, default=2
        Dimensions of the embedding, at most the number of columns.
    alpha : float, default=1e-3
        Strength of the L2 penalty on the coefficients of standardised columns. Where the loss sees
        directions alone, they are divided by the root of the mean square length of the embedded rows.
    init : {"lda", "pca"} or array of shape (n_components, n_features), default="lda"
        Start: linear discriminants, with principal directions where these are too few; principal
        directions of the standardised columns; or given components.
    mining : {"hard", "semi-hard", "all"}, default="hard"
        Which pairs and triplets are drawn. "hard" takes of four rows of the anchor's label the nearest,
        and of four others the nearest. "semi-hard" takes any row of its label, and of four others the
        nearest that is farther than that. "all" takes any, or every one if there are at most ``n_pairs``.
    n_pairs : int or "auto", default="auto"
        How many pairs or triplets, or rows in batches, are drawn in a round: by default 10 triplets or 20
        pairs for each row, at most 100,000 and 200,000.
    batch_size : int or "auto", default="auto"
        Groups in a batch at the least, where there are as many; 64 by default.
    n_rounds : int, default=3
        Maximum number of rounds of drawing: the first that lowers the objective by less than ``10 * tol`` of
        its unit, or leaves less than that, is the last.
    max_iter : int, default=500
        Maximum number of iterations, those of all rounds together; rounds before the last take up to 10.
    tol : float, default=1e-3
        A round ends when an iteration decreases the objective by less than this share of its unit: what it is
        where all rows are in one place, or at the start of the round where that is more.
    warm_start : bool, default=False
        Whether to start from the last fit.
    random_state : int, RandomState or None, default=0
        What rows are drawn by. The same number gives the same bits.
    normalize : bool, default=False
        Whether embedded rows are divided by their lengths, in the loss and by `transform`.

    Attributes
    ----------
    components_ : array of shape (n_components, n_features)
        Coefficients in the units of the columns. Where the loss sees directions alone, the embedded rows
        of the fit have mean square length one.
    mean_ : array of shape (n_features,)
        Weighted mean of the different rows.
    classes_ : array of shape (n_classes,)
        Labels of the rows of positive weight.
    centers_ : array of shape (n_classes, n_components)
        Centres of the classes; of a loss that has them.
    extra_ : array
        The loss's own parameters: w and b of "ge2e", the centres of "arcface", else empty.
    objective_ : float
        What was minimised, at the end of the last round.
    n_pairs_ : int
        Pairs, triplets or rows in batches of the last round.
    n_iter_ : int
        Iterations.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : array of shape (n_features,)
        Their names, where X has names that are all strings.

    See Also
    --------
    sklearn.neighbors.NeighborhoodComponentsAnalysis : Looks at all pairs of rows in each iteration.

    Notes
    -----
    The objective is not convex: another start or ``random_state`` may end elsewhere. Equal rows count as
    one of a larger weight, so that they make no pair with each other.

    References
    ----------
    Schroff, F., Kalenichenko, D. and Philbin, J. (2015). FaceNet. CVPR, 815-823. Xuan, H., Stylianou,
    A. and Pless, R. (2020). Improved embeddings with easy positive triplet mining. WACV, 2474-2482.
    Weinberger, K. Q. and Saul, L. K. (2009). Distance metric learning for large margin nearest neighbor
    classification. Journal of Machine Learning Research 10, 207-244.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from robustreg import LinearEmbedding
    >>> X, y = load_wine(return_X_y=True)
    >>> Z = LinearEmbedding(n_components=2).fit_transform(X[::2], y[::2])
    >>> Z.shape
    (89, 2)
    """

    def __init__(
        self,
        loss: str | Loss = "triplet",
        n_components: int = 2,
        alpha: float = 1e-3,
        *,
        init: Any = "lda",
        mining: str = "hard",
        n_pairs: int | str = "auto",
        batch_size: int | str = "auto",
        n_rounds: int = 3,
        max_iter: int = 500,
        tol: float = 1e-3,
        warm_start: bool = False,
        random_state: Any = 0,
        normalize: bool = False,
    ) -> None:
        self.loss = loss
        self.n_components = n_components
        self.alpha = alpha
        self.init = init
        self.mining = mining
        self.n_pairs = n_pairs
        self.batch_size = batch_size
        self.n_rounds = n_rounds
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state
        self.normalize = normalize

    def _check_parameters(self) -> None:
        self._check_loss(lambda loss: bool(loss.target.formation), "a loss of embeddings")
        check_real(self, "alpha", 0.0)
        for name in ("n_components", "n_rounds", "max_iter"):
            check_integer(self, name, 1)
        for name, least in (("n_pairs", 1), ("batch_size", 2)):
            if not (isinstance(getattr(self, name), str) and getattr(self, name) == "auto"):
                check_integer(self, name, least)
        check_option(self, "mining", ("hard", "semi-hard", "all"))
        check_real(self, "tol", 0.0, closed="neither")
        check_bool(self, "warm_start")
        check_bool(self, "normalize")
        if isinstance(self.init, str):
            check_option(self, "init", tuple(STARTS))

    @with_callbacks  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit the map.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Finite numbers of any scale.
        y : array-like of shape (n_samples,)
            Class labels or group ids: two rows of one id belong together. The two texts of a pair, or
            two views of the same thing, have an id of their own.
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative weights: 2 is a row written twice, 0 a row left out.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is out of range, the input is not finite, not of the right kind or of the
            wrong shape, or there are no rows that belong together or none that do not.
        """
        self._check_parameters()
        refuse_lazy(type(self).__name__, X=X, y=y)
        table, y = check_data(self, X, plain_labels(y), fit=True)
        if self.n_components > table.shape[1]:
            raise complain(self, "n_components", f"at most n_features = {table.shape[1]}")
        codes, classes = groups_of(y)
        check_weight(sample_weight, len(codes))
        if sample_weight is not None:
            sample_weight = np.broadcast_to(np.asarray(sample_weight, dtype=float), codes.shape)
        rows, weight = distinct(table, codes, sample_weight)
        present, label = np.unique(codes[rows], return_inverse=True)
        labelled = Labelled(label.reshape(-1), weight)
        self._require(labelled, classes[present])
        with np.errstate(all="ignore"), blas_aside():
            data, _ = prepare(
                take_rows(table, rows), label.astype(float), weight, reduce=False, resolve=False,
                refuse=partial(refuse_infinite, self),
            )  # fmt: skip
            centred = Centred.of(data)
            progress = Progress(self, X, y, sample_weight, partial(self._fitted, centred))
            control = Control(self.tol, self.max_iter, progress if progress.heard else None)
            found = self._solve(centred, labelled, control)
        self.classes_ = classes[present]
        self.__dict__.update(self._fitted(centred, found.x))
        if self.centers_ is None:
            del self.centers_
        self.objective_, self.n_pairs_ = float(found.fun), int(found.n_tuples)
        self.n_iter_ = max(control.n_iter, 1)
        progress.end()
        if found.status == 1:
            warnings.warn(
                f"{type(self).__name__} stopped after {self.n_iter_} iterations (max_iter={self.max_iter}) "
                f"while the objective still decreased by more than tol = {self.tol:.1e} of its unit an "
                "iteration; the last iterate is kept. Increase max_iter, or tol if that accuracy is "
                "enough.",
                ConvergenceWarning,
                stacklevel=level_of_user(),
            )
        return self

    def _require(self, labelled: Labelled, classes: Array) -> None:
        """Refuse rows of which none belong together, or all."""
        name, several = type(self).__name__, len(labelled.several)
        n = f"n_samples = {len(labelled.label)} different rows of positive weight"
        if len(classes) < 2:
            raise ValueError(
                f"{name} needs at least two classes or groups; y holds one class, {classes.tolist()[0]!r} "
                f"({n})."
            )
        formation = self._named_loss().target.formation
        need = {"all_rows": 0, "pair_batches": 2, "group_batches": 2}.get(formation, 1)
        if several < need:
            raise ValueError(
                f"The loss of {name} needs {need} or more classes or groups of at least two different rows; "
                f"y has {several} ({n})."
            )

    def _solve(self, rows: Centred, labelled: Labelled, control: Control) -> Result:
        loss = self._named_loss()
        size, most = AUTO[loss.target.formation]
        size = min(size * len(labelled.label), most)
        request = Request(
            size if self.n_pairs == "auto" else int(self.n_pairs),
            BATCH if self.batch_size == "auto" else int(self.batch_size),
            self.mining,
        )
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        u, extra, given = self._start(rows, labelled)
        return Embedding(
            loss, rows, labelled, request, float(self.alpha), self.normalize, int(self.n_rounds),
            control, np.random.default_rng(seed),
        ).solve(u, extra, fit_size=not given)  # fmt: skip

    def _start(self, rows: Centred, labelled: Labelled) -> tuple[Array, Array | None, bool]:
        """Directions, the loss's own parameters where they are known, and whether the size is given."""
        coordinates = rows.data.coordinates
        shape = (int(self.n_components), len(coordinates.center))
        last = getattr(self, "components_", None)
        if self.warm_start and last is not None and last.shape == shape:
            return coordinates.solver(last.T), self.extra_, True
        if isinstance(self.init, str):
            return STARTS[self.init](rows, labelled, shape[0]), None, False
        given = check_array(self.init, dtype=np.float64, input_name="init")
        if given.shape != shape:
            raise ValueError(
                f"init must have the shape (n_components, n_features) = {shape}. Got {given.shape}."
            )
        return coordinates.solver(given.T), None, True

    def _fitted(self, rows: Centred, theta: Array) -> dict[str, Any]:
        """Return the attributes that directions and the loss's own parameters stand for."""
        loss, coordinates = self._named_loss(), rows.data.coordinates
        size = rows.data.size * int(self.n_components)
        u, extra = theta[:size].reshape(rows.data.size, -1), theta[size:].copy()
        if loss.of_direction or self.normalize:
            length = np.sqrt(mean_square(rows.project(u), rows.weight))
            u = u / (length or 1.0)
        components = coordinates.coef(u).T
        spread = np.divide(
            1.0, coordinates.transform, out=np.zeros(rows.data.size),
            where=coordinates.transform != 0,
        )  # fmt: skip
        centers = loss.target.formation == "all_rows"
        return {
            "components_": np.ascontiguousarray(components),
            "mean_": coordinates.center + spread * rows.mean,
            "extra_": extra,
            "centers_": extra.reshape(-1, int(self.n_components)) if centers else None,
        }

    def transform(self, X: Any) -> Array:
        """Map rows to the embedding.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to map.

        Returns
        -------
        Z : array of shape (n_samples, n_components)
            ``(X - mean_) @ components_.T``, of length one each with ``normalize=True``.
        """
        check_is_fitted(self)
        X = check_data(self, X)
        if is_sparse(X):
            Z = np.asarray(safe_sparse_dot(X, self.components_.T))
            Z = Z - self.components_ @ self.mean_
        else:
            parts = [
                (X[part] - self.mean_) @ self.components_.T for part in gen_batches(len(X), 8192)
            ]
            Z = np.concatenate(parts)
        return unit(Z).direction if self.normalize else Z

    @property
    def _n_features_out(self) -> int:
        return int(self.components_.shape[0])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        return tags


def groups_of(y: Array) -> tuple[Array, Array]:
    """Return numbers of class labels or group ids, and what they stand for.

    Unlike scikit-learn's check of labels this does not warn where there are as many groups as rows by
    half, which is the rule for pairs.

    Raises
    ------
    ValueError
        If y holds real numbers, or labels that cannot be sorted.
    """
    if y.dtype.kind == "f" and np.any(y != np.floor(y)):
        raise ValueError(
            "Unknown label type: y holds real numbers. It must hold class labels or group ids, of which "
            "at least one occurs twice: bin the numbers first, for example by numpy.digitize."
        )
    try:
        classes, codes = np.unique(y, return_inverse=True)
    except TypeError as error:
        raise ValueError(f"The labels in y cannot be sorted: {error}.") from error
    return codes.reshape(-1), classes
